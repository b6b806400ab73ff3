"""Made by scripts/write_stubs.py: what `torch.optim.adadelta` has, with our class."""

from torch.optim.adadelta import adadelta

from thalweg.optim import Adadelta
from thalweg.optim.fallback import from_torch

__all__ = ["Adadelta", "adadelta"]

__getattr__ = from_torch(__name__)
