"""Made by scripts/write_stubs.py: what `torch.optim.nadam` has, with our class."""

from torch.optim.nadam import nadam

from thalweg.optim import NAdam
from thalweg.optim.fallback import from_torch

__all__ = ["NAdam", "nadam"]

__getattr__ = from_torch(__name__)
