"""The window that convolution and pooling move over an image: its places and what lies in it.

Output o of an axis sees, through tap k of the kernel, input `o stride + k dilation - padding`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Pair", "Window", "as_one", "as_pair", "checked"]

Pair = tuple[int, int]


def as_pair(where: str, name: str, value: Any, low: int) -> Pair:
    """One whole number for both axes, or one for each, of at least `low`."""
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(_is_whole(number) and number >= low for number in pair):
        raise ValueError(
            f"{where}: {name} must be one or two whole numbers of at least {low}, got {value!r}"
        )
    return int(pair[0]), int(pair[1])


def as_one(where: str, name: str, value: Any, low: int) -> int:
    """One whole number of at least `low`; a tuple of one is taken, too."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(given) != 1 or not _is_whole(given[0]) or given[0] < low:
        raise ValueError(f"{where}: {name} must be a whole number of at least {low}, got {value!r}")
    return int(given[0])


# what each setting of a window is at least
_LEAST = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}


def checked(
    where: str,
    read: Callable[[str, str, Any, int], Any],
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
) -> list[Any]:
    """The settings as users give them, each read by `as_pair` or by `as_one`."""
    given = zip(_LEAST.items(), (kernel, stride, padding, dilation), strict=True)
    return [read(where, name, value, low) for (name, low), value in given]


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


@dataclass(frozen=True)
class Window:
    """A kernel's size, and how it moves."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @classmethod
    def of(cls, where: str, kernel: Any, stride: Any, padding: Any, dilation: Any) -> "Window":
        """Check the settings as users give them."""
        return cls(*checked(where, as_pair, kernel, stride, padding, dilation))

    def places(self, where: str, height: int, width: int) -> Pair:
        """How many outputs there are along each axis."""
        found = [
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, k, s, p, d in zip(
                (height, width), self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        ]
        if min(found) < 1:
            raise ValueError(
                f"{where}: a kernel of {self.kernel} with dilation {self.dilation} does not fit "
                f"into an image of {(height, width)} padded by {self.padding}"
            )
        return found[0], found[1]

    def inputs(self, axis: int, first: int, last: int) -> Pair:
        """The range of inputs, padding too, that the outputs first to last - 1 see."""
        start = first * self.stride[axis] - self.padding[axis]
        reach = (last - 1 - first) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[
            axis
        ]
        return start, start + reach + 1

    def overlap(self, axis: int, tap: int, size: int, first: int, last: int) -> tuple[slice, slice]:
        """Among the outputs first to last - 1, those for which a tap lies on the image and not on
        its padding, counted from first; and the inputs that they see."""
        stride = self.stride[axis]
        shift = tap * self.dilation[axis] - self.padding[axis]
        first_seen = max(first, -(shift // stride))
        last_seen = min(last, (size - 1 - shift) // stride + 1)
        if first_seen >= last_seen:
            return slice(0, 0), slice(0, 0)
        start = first_seen * stride + shift
        stop = (last_seen - 1) * stride + shift + 1
        return slice(first_seen - first, last_seen - first), slice(start, stop, stride)
