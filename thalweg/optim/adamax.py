"""Made by scripts/write_stubs.py: what `torch.optim.adamax` has, with our class."""

from torch.optim.adamax import adamax

from thalweg.optim import Adamax
from thalweg.optim.fallback import from_torch

__all__ = ["Adamax", "adamax"]

__getattr__ = from_torch(__name__)
