"""Made by scripts/write_stubs.py: what `torch.optim.adamw` has, with our class."""

from torch.optim.adamw import adamw

from thalweg.optim import AdamW
from thalweg.optim.fallback import from_torch

__all__ = ["AdamW", "adamw"]

__getattr__ = from_torch(__name__)
