"""L-BFGS: the direction from what the last steps showed, and a search along it."""

from thalweg.optim.fallback import from_torch
from thalweg.optim.lbfgs.optimizer import LBFGS

__all__ = ["LBFGS"]

__getattr__ = from_torch(__name__)
