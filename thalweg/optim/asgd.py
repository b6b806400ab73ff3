"""Made by scripts/write_stubs.py: what `torch.optim.asgd` has, with our class."""

from torch.optim.asgd import asgd

from thalweg.optim import ASGD
from thalweg.optim.fallback import from_torch

__all__ = ["ASGD", "asgd"]

__getattr__ = from_torch(__name__)
