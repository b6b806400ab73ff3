"""Kin of ReLU: smooth ones, bounded ones, and one that learns its slope."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_floats, check_positive
from thalweg.mytorch.nn.activations import Elementwise
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nonlinearities import sigmoid_of
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = [
    "ELU",
    "SELU",
    "Hardswish",
    "Hardtanh",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "ReLU6",
    "SiLU",
    "Softplus",
    "elu",
    "hardswish",
    "hardtanh",
    "logsigmoid",
    "mish",
    "prelu",
    "relu6",
    "selu",
    "silu",
    "softplus",
]

# The fixed point of mean 0 and variance 1 under x -> scale elu(x, alpha).
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


class ELU(Module):
    """`x` above zero, `alpha (e^x - 1)` below: smooth, and never below -alpha.

    Paper: Clevert et al. 2015, arXiv:1511.07289.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return elu(x, self.alpha)

    def describe(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Elementwise):
    """ELU scaled so that deep networks keep their activations at mean 0 and variance 1.

    Paper: Klambauer et al. 2017, arXiv:1706.02515.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return selu(x)


class SiLU(Elementwise):
    """`x sigmoid(x)`, also called swish: a smooth ReLU that dips a little below zero.

    Paper: Elfwing et al. 2017, arXiv:1702.03118.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return silu(x)


class Mish(Elementwise):
    """`x tanh(softplus(x))`: SiLU's shape, a little steeper.

    Paper: Misra 2019, arXiv:1908.08681.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return mish(x)


class Softplus(Module):
    """`log(1 + e^(beta x)) / beta`: a ReLU without a corner, always above zero.

    Where beta x is above `threshold`, it is x, as in torch.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return softplus(x, self.beta, self.threshold)

    def describe(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Module):
    """`log(sigmoid(x))`, finite for every x."""

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return logsigmoid(x)


class Hardtanh(Module):
    """x held within min_val and max_val."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        if not min_val < max_val:
            raise ValueError(
                f"Hardtanh: min_val must be below max_val, got {min_val!r} and {max_val!r}"
            )
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return hardtanh(x, self.min_val, self.max_val)

    def describe(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Elementwise):
    """ReLU held at 6: what small numbers of bits can hold."""

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return relu6(x)


class Hardswish(Elementwise):
    """`x relu6(x + 3) / 6`: SiLU without an exponential.

    Paper: Howard et al. 2019, arXiv:1905.02244.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return hardswish(x)


class PReLU(Module):
    """LeakyReLU whose slope below zero is learned: one for all, or one for each channel (axis 1).

    Paper: He et al. 2015, arXiv:1502.01852.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32
    ) -> None:
        self.num_parameters = check_positive("PReLU", "num_parameters", num_parameters)
        self.weight = Parameter(np.full(num_parameters, init, dtype))

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return prelu(x, self.weight)

    def describe(self) -> str:
        return f"num_parameters={self.num_parameters}"


def elu(input: Tensor | ArrayLike, alpha: float = 1.0) -> Tensor:
    x = _floats("elu", input)
    below = alpha * np.expm1(np.minimum(x.data, 0))
    is_above = x.data > 0
    return record(
        "elu",
        np.where(is_above, x.data, below),
        (x, lambda g: g * np.where(is_above, x.dtype.type(1), below + x.dtype.type(alpha))),
    )


def selu(input: Tensor | ArrayLike) -> Tensor:
    return elu(input, _SELU_ALPHA) * _SELU_SCALE


def silu(input: Tensor | ArrayLike) -> Tensor:
    x = _floats("silu", input)
    s = sigmoid_of(x.data)
    return record("silu", x.data * s, (x, lambda g: g * (s * (1 + x.data * (1 - s)))))


def mish(input: Tensor | ArrayLike) -> Tensor:
    x = _floats("mish", input)
    t = np.tanh(_log1p_exp(x.data))

    def pull(g: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = g * (t + x.data * sigmoid_of(x.data) * (1 - t * t))
        return gradient

    return record("mish", x.data * t, (x, pull))


def softplus(input: Tensor | ArrayLike, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    x = _floats("softplus", input)
    z = x.data * x.dtype.type(beta)
    is_straight = z > threshold
    y = np.where(is_straight, x.data, _log1p_exp(z) / x.dtype.type(beta))
    return record(
        "softplus", y, (x, lambda g: g * np.where(is_straight, x.dtype.type(1), sigmoid_of(z)))
    )


def logsigmoid(input: Tensor | ArrayLike) -> Tensor:
    x = _floats("logsigmoid", input)
    return record("logsigmoid", -_log1p_exp(-x.data), (x, lambda g: g * sigmoid_of(-x.data)))


def hardtanh(input: Tensor | ArrayLike, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return _held("hardtanh", _floats("hardtanh", input), min_val, max_val)


def relu6(input: Tensor | ArrayLike) -> Tensor:
    return _held("relu6", _floats("relu6", input), 0.0, 6.0)


def hardswish(input: Tensor | ArrayLike) -> Tensor:
    x = _floats("hardswish", input)
    y = x.data * (np.clip(x.data + 3, 0, 6) / 6)

    def pull(g: np.ndarray) -> np.ndarray:
        between = np.where(x.data <= -3, 0, x.data / 3 + x.dtype.type(0.5))
        return g * np.where(x.data >= 3, 1, between)

    return record("hardswish", y, (x, pull))


def prelu(input: Tensor | ArrayLike, weight: Tensor | ArrayLike) -> Tensor:
    """`weight` has one slope, or one for each channel."""
    x, w = as_tensor(input), as_tensor(weight)
    check_floats("prelu", input=x, weight=w)
    if w.ndim != 1 or (len(w) != 1 and (x.ndim < 2 or x.shape[1] != len(w))):
        raise ValueError(
            f"prelu: weight must have one number, or one for each channel (axis 1) of the input "
            f"{x.shape}, got {w.shape}"
        )
    along = w.data if len(w) == 1 else w.data.reshape(-1, *(1,) * (x.ndim - 2))
    slope = np.where(x.data > 0, x.dtype.type(1), along)

    def pull(g: np.ndarray) -> np.ndarray:
        each = g * np.minimum(x.data, 0)
        others = None if len(w) == 1 else tuple(i for i in range(x.ndim) if i != 1)
        gradient: np.ndarray = each.sum(axis=others)
        return gradient.reshape(len(w))

    return record("prelu", x.data * slope, (x, lambda g: g * slope), (w, pull))


def _floats(where: str, input: Tensor | ArrayLike) -> Tensor:
    x = as_tensor(input)
    check_floats(where, input=x)
    return x


def _held(op: str, x: Tensor, low: float, high: float) -> Tensor:
    """x within two bounds; there is no gradient at or beyond them."""
    is_within = (x.data > low) & (x.data < high)
    return record(op, np.clip(x.data, low, high), (x, lambda g: g * is_within))


def _log1p_exp(x: np.ndarray) -> np.ndarray:
    """`log(1 + e^x)`, finite for every x."""
    result: np.ndarray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return result
