"""Activations brought to mean 0 and variance 1: over a batch, or over the features of one sample.

xhat = (x - mean) / sqrt(var + eps)
y    = weight xhat + bias
"""

import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_floats, check_positive
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm", "layer_norm", "standardize"]


class _BatchNorm(Module):
    running_mean: np.ndarray
    running_var: np.ndarray
    num_batches_tracked: np.ndarray

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_features = check_positive(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine else None
        self.track_running_stats = track_running_stats
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(num_features, dtype))
            self.register_buffer("running_var", np.ones(num_features, dtype))
            self.register_buffer("num_batches_tracked", np.array(0, np.int64))

    def _normalize(self, x: Tensor) -> Tensor:
        title = type(self).__name__
        if x.shape[1] != self.num_features:
            raise ValueError(
                f"{title}: axis 1 of the input must be {self.num_features} long, got {x.shape}"
            )
        axes = (0, *range(2, x.ndim))
        along = (1, -1) + (1,) * (x.ndim - 2)
        if self.weight is not None:
            check_floats(title, input=x, weight=self.weight)
        if self.training or not self.track_running_stats:
            count = x.data.size // self.num_features
            if self.training and count < 2:
                raise ValueError(
                    f"{title}: training needs more than one value per feature, got {x.shape}"
                )
            y, mean, var = standardize(x, axes, self.eps)
            if self.training and self.track_running_stats:
                self._track(mean.ravel(), var.ravel() * (count / (count - 1)))
        else:
            scale = 1 / np.sqrt(self.running_var + self.eps)
            y = (x - self.running_mean.reshape(along)) * scale.reshape(along)
        if self.weight is None or self.bias is None:
            return y
        return y * self.weight.reshape(along) + self.bias.reshape(along)

    def _track(self, mean: np.ndarray, var: np.ndarray) -> None:
        """Move the running statistics towards the batch's; with momentum None, average them."""
        self.num_batches_tracked += 1
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (var - self.running_var)

    def describe(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """Each feature standardized over the batch: x is (N, C) or (N, C, L).

    Makes deep networks train faster and at larger rates. Evaluation uses running averages of the
    mean and of the unbiased variance, which move by `momentum` at each batch.

    Paper: Ioffe and Szegedy 2015, arXiv:1502.03167.
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        x = as_tensor(x)
        if x.ndim not in (2, 3):
            raise ValueError(f"BatchNorm1d: input must be (N, C) or (N, C, L), got {x.shape}")
        return self._normalize(x)


class BatchNorm2d(_BatchNorm):
    """Each channel standardized over a batch of images: x is (N, C, H, W). See BatchNorm1d."""

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        x = as_tensor(x)
        if x.ndim != 4:
            raise ValueError(f"BatchNorm2d: input must be (N, C, H, W), got {x.shape}")
        return self._normalize(x)


class LayerNorm(Module):
    """Each sample standardized over its last axes, whose shape is `normalized_shape`.

    Independent of the batch, and the same in training and evaluation: the choice of transformers.

    Paper: Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        sizes = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(
            check_positive("LayerNorm", "normalized_shape", size) for size in sizes
        )
        self.eps = eps
        shape = self.normalized_shape
        self.weight = Parameter(np.ones(shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def describe(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


def layer_norm(
    input: Tensor | ArrayLike,
    normalized_shape: tuple[int, ...],
    weight: Tensor | ArrayLike | None = None,
    bias: Tensor | ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    x = as_tensor(input)
    wanted = tuple(normalized_shape)
    if not wanted or x.shape[-len(wanted) :] != wanted:
        raise ValueError(f"layer_norm: the last axes of the input must be {wanted}, got {x.shape}")
    y, _, _ = standardize(x, tuple(range(-len(wanted), 0)), eps)
    for name, extra in (("weight", weight), ("bias", bias)):
        if extra is not None:
            tensor = as_tensor(extra)
            check_floats("layer_norm", input=x, **{name: tensor})
            y = y * tensor if name == "weight" else y + tensor
    return y


def standardize(
    x: Tensor, axes: tuple[int, ...], eps: float
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """`(x - mean) / sqrt(var + eps)` over some axes, with the mean and the variance found.

    The gradient goes through both of these, too:

        gx = (g - mean(g) - xhat mean(g xhat)) / sqrt(var + eps)
    """
    check_floats("standardize", x=x)
    count = math.prod(x.shape[axis] for axis in axes)
    mean = x.data.sum(axis=axes, keepdims=True) / count
    xhat = x.data - mean
    var = np.square(xhat).sum(axis=axes, keepdims=True) / count
    scale = 1 / np.sqrt(var + eps)
    xhat *= scale

    def pull(g: np.ndarray) -> np.ndarray:
        mean_g = g.sum(axis=axes, keepdims=True) / count
        mean_gx = (g * xhat).sum(axis=axes, keepdims=True) / count
        gradient: np.ndarray = scale * (g - mean_g - xhat * mean_gx)
        return gradient

    return record("standardize", xhat, (x, pull)), mean, var
