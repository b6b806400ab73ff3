"""What a matrix rule's text says of the tensors that it does not take."""

from thalweg.rule import Rule

__all__ = ["with_others"]

_ADAM = """
        m <- b1 m + (1 - b1) g                      Adam, of what is no matrix, or has a
        v <- b2 v + (1 - b2) g^2                    side over 10,000
        p <- p - lr mhat / (sqrt(vhat) + eps)       mhat = m / (1 - b1^t)
                                                    vhat = v / (1 - b2^t)
"""


def with_others(rule: type[Rule]) -> str:
    """A rule's text, with Adam's equations for what it does not take."""
    return (rule.__doc__ or "").replace("\n\n    Paper:", f"{_ADAM}\n    Paper:")
