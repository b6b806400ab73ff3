"""Made by scripts/write_stubs.py: what `torch.optim.rprop` has, with our class."""

from torch.optim.rprop import rprop

from thalweg.optim import Rprop
from thalweg.optim.fallback import from_torch

__all__ = ["Rprop", "rprop"]

__getattr__ = from_torch(__name__)
