"""L-BFGS: the direction from what the last steps showed, and a search along it."""

from thalweg.optim.lbfgs.optimizer import LBFGS

__all__ = ["LBFGS"]
