"""Activations of one sample brought to mean 0 and variance 1, some channels at a time."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_floats, check_positive
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.norm import standardize
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["GroupNorm", "group_norm"]


class GroupNorm(Module):
    """Each sample's channels standardized in `num_groups` groups: x is (N, C, ...).

    Independent of the batch, unlike BatchNorm: the choice where batches of images are small. One
    group is LayerNorm over all but the batch; as many as channels is instance norm.

    Paper: Wu and He 2018, arXiv:1803.08494.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_groups = check_positive("GroupNorm", "num_groups", num_groups)
        self.num_channels = check_positive("GroupNorm", "num_channels", num_channels)
        _check_groups("GroupNorm", num_groups, num_channels)
        self.eps = eps
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine else None

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        x = as_tensor(x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: axis 1 of the input must be {self.num_channels} long, got {x.shape}"
            )
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def describe(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


def group_norm(
    input: Tensor | ArrayLike,
    num_groups: int,
    weight: Tensor | ArrayLike | None = None,
    bias: Tensor | ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """See GroupNorm; `weight` and `bias` have one number for each channel."""
    x = as_tensor(input)
    if x.ndim < 2:
        raise ValueError(f"group_norm: input must be (N, C, ...), got {x.shape}")
    _check_groups("group_norm", num_groups, x.shape[1])
    y, _, _ = standardize(x.reshape(x.shape[0], num_groups, -1), (2,), eps)
    y = y.reshape(x.shape)
    along = (-1,) + (1,) * (x.ndim - 2)
    for name, extra in (("weight", weight), ("bias", bias)):
        if extra is not None:
            tensor = as_tensor(extra)
            check_floats("group_norm", input=x, **{name: tensor})
            if tensor.shape != x.shape[1:2]:
                raise ValueError(
                    f"group_norm: {name} must have shape {x.shape[1:2]}, got {tensor.shape}"
                )
            each = tensor.reshape(along)
            y = y * each if name == "weight" else y + each
    return y


def _check_groups(where: str, groups: int, channels: int) -> None:
    if channels % groups:
        raise ValueError(
            f"{where}: num_groups must divide the {channels} channels, got num_groups={groups}"
        )
