"""What makes a network more than one linear map: a function of each element."""

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.checks import check_floats
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.nonlinearities import relu, sigmoid, tanh
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = [
    "GELU",
    "Elementwise",
    "LeakyReLU",
    "ReLU",
    "Sigmoid",
    "Tanh",
    "gelu",
    "leaky_relu",
    "relu",
    "sigmoid",
    "tanh",
]


class Elementwise(Module):
    """A function of each element, without settings of its own.

    Differs: `inplace=True` is taken, here and elsewhere, and the input stays as it is all the same.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace


class ReLU(Elementwise):
    """`max(x, 0)`: the usual choice between layers.

    Differs: `inplace=True` leaves the input as it is.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return relu(x)


class LeakyReLU(Module):
    """`x` above zero, `negative_slope x` below: no unit is ever without a gradient."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return leaky_relu(x, self.negative_slope)

    def describe(self) -> str:
        return f"negative_slope={self.negative_slope}"


class Sigmoid(Module):
    """`1 / (1 + e^-x)`: a probability. In front of a loss, BCEWithLogitsLoss has it within."""

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent, between -1 and 1."""

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return tanh(x)


class GELU(Module):
    """`x Phi(x)`, with Phi the normal distribution's: the smooth ReLU of transformers.

    `approximate="tanh"` computes Phi as GPT-2 does.

    Paper: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = _check_approximate(approximate)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return gelu(x, self.approximate)

    def describe(self) -> str:
        return f"approximate={self.approximate!r}"


def leaky_relu(input: Tensor | ArrayLike, negative_slope: float = 0.01) -> Tensor:
    x = as_tensor(input)
    check_floats("leaky_relu", input=x)
    slope = np.where(x.data > 0, x.dtype.type(1), x.dtype.type(negative_slope))
    return record("leaky_relu", x.data * slope, (x, lambda g: g * slope))


def gelu(input: Tensor | ArrayLike, approximate: str = "none") -> Tensor:
    x = as_tensor(input)
    check_floats("gelu", input=x)
    if _check_approximate(approximate) == "tanh":
        return _gelu_tanh(x)
    phi = 0.5 * (1 + _erf(x.data / math.sqrt(2)))

    def pull(g: np.ndarray) -> np.ndarray:
        density = np.exp(-0.5 * x.data * x.data) / math.sqrt(2 * math.pi)
        gradient: np.ndarray = g * (phi + x.data * density)
        return gradient

    return record("gelu", x.data * phi, (x, pull))


def _check_approximate(approximate: str) -> str:
    if approximate not in ("none", "tanh"):
        raise ValueError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}")
    return approximate


def _gelu_tanh(x: Tensor) -> Tensor:
    """`x (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`."""
    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    squares = x.data * x.data
    t = np.tanh(scale * x.data * (1 + cubic * squares))
    slope_of_u = scale * (1 + 3 * cubic * squares)
    return record(
        "gelu",
        0.5 * x.data * (1 + t),
        (x, lambda g: g * (0.5 * (1 + t) + 0.5 * x.data * (1 - t * t) * slope_of_u)),
    )


# NumPy has no error function. Around the nearest of a grid of points, the Taylor series does it:
# at most 1/64 away, and with eight terms, what is left out is below 1e-16. Past 6, erf is 1.
_ERF_GRID, _ERF_END, _ERF_TERMS = 32, 6, 8


def _erf(x: np.ndarray) -> np.ndarray:
    """The error function of each element, to the last bits of the type."""
    table = _erf_series(x.dtype)
    size = np.fmin(np.abs(x), _ERF_END)  # fmin, so that NaN finds a grid point, too
    nearest = np.rint(size * _ERF_GRID).astype(np.intp)
    away = size - nearest.astype(x.dtype) / _ERF_GRID
    y = table[-1][nearest]
    for term in table[-2::-1]:
        y *= away
        y += term[nearest]
    return np.where(np.isnan(x), x, np.copysign(y, x))


@cache
def _erf_series(dtype: np.dtype) -> np.ndarray:
    """[term, grid point]: the coefficients of erf's Taylor series around each point.

    The derivative of erf is `2 / sqrt(pi) e^(-x^2)`; each further one multiplies that by a Hermite
    polynomial, `H_0 = 1`, `H_1 = 2x`, `H_(n+1) = 2x H_n - 2n H_(n-1)`, and changes its sign.
    """
    points = np.arange(_ERF_END * _ERF_GRID + 1) / _ERF_GRID
    slope = 2 / math.sqrt(math.pi) * np.exp(-points * points)
    series = [np.array([math.erf(point) for point in points])]
    hermite, before = np.ones_like(points), np.zeros_like(points)
    for n in range(1, _ERF_TERMS):
        series.append((-1) ** (n - 1) * hermite * slope / math.factorial(n))
        hermite, before = 2 * points * hermite - 2 * (n - 1) * before, hermite
    return np.array(series, dtype)
