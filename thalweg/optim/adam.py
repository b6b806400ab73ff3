"""Made by scripts/write_stubs.py: what `torch.optim.adam` has, with our class."""

from torch.optim.adam import adam

from thalweg.optim import Adam
from thalweg.optim.fallback import from_torch

__all__ = ["Adam", "adam"]

__getattr__ = from_torch(__name__)
