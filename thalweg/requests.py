"""What an `update` may ask of whoever takes the step: the gradient at other weights."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["REQUESTS", "gradient"]

# how many arguments each takes at most
REQUESTS = {"gradient": 2}


def gradient(at: Any, of: str = "loss") -> NoReturn:
    """The gradient of the loss with the weights at `at`: the step's closure is called once more.

    Another loss than the one that is minimized has a name, by which `step` is given its closure.
    """
    raise RuntimeError(f"gradient({of!r}) is answered by an optimizer that takes the step")
