"""Made by scripts/write_stubs.py: what `torch.optim.rmsprop` has, with our class."""

from torch.optim.rmsprop import rmsprop

from thalweg.optim import RMSprop
from thalweg.optim.fallback import from_torch

__all__ = ["RMSprop", "rmsprop"]

__getattr__ = from_torch(__name__)
