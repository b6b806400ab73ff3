"""Made by scripts/write_stubs.py: what `torch.optim.radam` has, with our class."""

from torch.optim.radam import radam

from thalweg.optim import RAdam
from thalweg.optim.fallback import from_torch

__all__ = ["RAdam", "radam"]

__getattr__ = from_torch(__name__)
