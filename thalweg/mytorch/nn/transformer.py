"""Layers of a transformer that reads: attention, then a small network for each element."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_positive
from thalweg.mytorch.nn.activations import gelu, relu
from thalweg.mytorch.nn.attention import MultiheadAttention
from thalweg.mytorch.nn.dropout import Dropout
from thalweg.mytorch.nn.linear import Linear
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.nn.norm import LayerNorm
from thalweg.mytorch.nn.sequential import ModuleList
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["TransformerEncoder", "TransformerEncoderLayer"]

_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {"relu": relu, "gelu": gelu}


class TransformerEncoderLayer(Module):
    """Self-attention and a network of two layers, each added to what came in and normalized.

    x is (L, N, d_model), or (N, L, d_model) with `batch_first`. With `norm_first` the norms stand
    before the two, which trains more easily; without, behind the sums, as in the paper.

    Paper: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if not callable(activation) and activation not in _ACTIVATIONS:
            raise ValueError(
                "TransformerEncoderLayer: activation must be 'relu', 'gelu' or a function, "
                f"got {activation!r}"
            )
        self.activation = activation if callable(activation) else _ACTIVATIONS[activation]
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)

    def forward(
        self,
        src: Tensor | ArrayLike,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        x = as_tensor(src)
        masks = (src_key_padding_mask, src_mask, is_causal)
        if self.norm_first:
            x = x + self._attention(self.norm1(x), *masks)
            return x + self._network(self.norm2(x))
        x = self.norm1(x + self._attention(x, *masks))
        result: Tensor = self.norm2(x + self._network(x))
        return result

    def _attention(self, x: Tensor, padding: Any, mask: Any, is_causal: bool) -> Tensor:
        y, _ = self.self_attn(
            x, x, x, padding, need_weights=False, attn_mask=mask, is_causal=is_causal
        )
        result: Tensor = self.dropout1(y)
        return result

    def _network(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.linear1(x)))
        result: Tensor = self.dropout2(self.linear2(hidden))
        return result


class TransformerEncoder(Module):
    """`num_layers` copies of a layer, one after another, and a norm at the end if given.

    As in torch, the copies begin with the same weights.
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        check_positive("TransformerEncoder", "num_layers", num_layers)
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.norm = norm

    def forward(
        self,
        src: Tensor | ArrayLike,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        x = as_tensor(src)
        for layer in self.layers:
            x = layer(
                x,
                src_mask=mask,
                src_key_padding_mask=src_key_padding_mask,
                is_causal=is_causal,
            )
        return x if self.norm is None else self.norm(x)
