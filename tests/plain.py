"""Which optimizers are passes alone: they take tensors of every shape, and ask nobody."""

from thalweg.chain import Chain
from thalweg.optimizers import OPTIMIZERS

__all__ = ["PLAIN", "is_plain"]


def is_plain(chain: Chain) -> bool:
    """Whether no part works on whole matrices or asks for another gradient."""
    return not (chain.on_matrices or chain.requests)


PLAIN = [name for name in OPTIMIZERS if is_plain(OPTIMIZERS[name])]
