"""Initial values, written into a parameter: torch's functions under torch's names.

    bound = gain sqrt(3 / fan)      of a uniform distribution on [-bound, bound]
    std   = gain / sqrt(fan)        of a normal distribution

fan is the number of inputs of one output (fan_in), of outputs of one input (fan_out) or, for
Xavier, the mean of both.

Paper: Xavier: Glorot and Bengio 2010. Kaiming: He et al. 2015, arXiv:1502.01852.
"""

import math
from collections.abc import Callable

from thalweg.mytorch.random import generator
from thalweg.mytorch.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS: dict[str, Callable[[float], float]] = {
    "linear": lambda _: 1.0,
    "conv2d": lambda _: 1.0,
    "sigmoid": lambda _: 1.0,
    "tanh": lambda _: 5 / 3,
    "relu": lambda _: math.sqrt(2),
    "leaky_relu": lambda slope: math.sqrt(2 / (1 + slope**2)),
}


def constant_(tensor: Tensor, val: float) -> Tensor:
    tensor.data[...] = val
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 1)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    tensor.data[...] = generator().uniform(a, b, tensor.shape)
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    tensor.data[...] = generator().normal(mean, std, tensor.shape)
    return tensor


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Keep the size of activations (fan_in) or gradients (fan_out) through layers of ReLUs; `a` is
    the slope of a leaky one."""
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """`kaiming_uniform_`'s scale, normally distributed."""
    return normal_(tensor, 0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Keep the size of activations and gradients through layers of tanh or sigmoid."""
    bound = gain * math.sqrt(6 / (_fan(tensor, "fan_in") + _fan(tensor, "fan_out")))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """`xavier_uniform_`'s scale, normally distributed."""
    fans = _fan(tensor, "fan_in") + _fan(tensor, "fan_out")
    return normal_(tensor, 0, gain * math.sqrt(2 / fans))


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """How much larger weights must be for what this activation takes away; `param` is the slope of
    a leaky ReLU."""
    if nonlinearity not in _GAINS:
        known = ", ".join(_GAINS)
        raise ValueError(f"init: nonlinearity must be one of {known}, got {nonlinearity!r}")
    return _GAINS[nonlinearity](param)


def _fan(tensor: Tensor, mode: str) -> int:
    if tensor.ndim < 2 or 0 in tensor.shape:
        raise ValueError(
            f"init: a weight must be (out, in, ...) and not empty, got shape {tensor.shape}"
        )
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return tensor.shape[mode == "fan_in"] * math.prod(tensor.shape[2:])
