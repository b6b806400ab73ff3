"""Made by scripts/write_stubs.py: what `torch.optim.sgd` has, with our class."""

from torch.optim.sgd import sgd

from thalweg.optim import SGD
from thalweg.optim.fallback import from_torch

__all__ = ["SGD", "sgd"]

__getattr__ = from_torch(__name__)
