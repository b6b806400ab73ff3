"""Made by scripts/write_stubs.py: what `torch.optim.adagrad` has, with our class."""

from torch.optim.adagrad import adagrad

from thalweg.optim import Adagrad
from thalweg.optim.fallback import from_torch

__all__ = ["Adagrad", "adagrad"]

__getattr__ = from_torch(__name__)
