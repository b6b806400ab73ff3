"""Made by scripts/write_stubs.py: what `torch.optim.sparse_adam` has, with our class."""

from thalweg.optim import SparseAdam
from thalweg.optim.fallback import from_torch

__all__ = ["SparseAdam"]

__getattr__ = from_torch(__name__)
