"""A layer that does nothing."""

from typing import Any

from thalweg.mytorch.nn.module import Module

__all__ = ["Identity"]


class Identity(Module):
    """Gives back what it is given: to stand where a layer is left out.

    Takes any arguments, and looks at none of them, as in torch.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x
