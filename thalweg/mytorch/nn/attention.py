"""Attention: each element of a sequence a mean of others, weighted by how well they match."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_default, check_floats, check_positive, check_share
from thalweg.mytorch.nn import init
from thalweg.mytorch.nn.dropout import dropout as drop
from thalweg.mytorch.nn.linear import Linear, linear
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.softmax import softmax
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["MultiheadAttention", "scaled_dot_product_attention"]


class MultiheadAttention(Module):
    """Attention in `num_heads` parts of the features at once: the heart of a transformer.

        output, weights = attention(query, key, value)

    query is (L, N, embed_dim), key and value are (S, N, ...), with the batch first if
    `batch_first`, and there may be none. The weights, (N, L, S), are the mean of the heads' unless
    `average_attn_weights=False`, and None without `need_weights`.

    `key_padding_mask` (N, S) and `attn_mask` (L, S), or one for each head (N num_heads, L, S), are
    True where nothing may look, or numbers that are added to the scores.

    Paper: Vaswani et al. 2017, arXiv:1706.03762.
    Differs: who may look at nothing gets zeros, where torch gives NaN; no `add_bias_kv`, no
    `add_zero_attn`.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        title = "MultiheadAttention"
        self.embed_dim = check_positive(title, "embed_dim", embed_dim)
        self.num_heads = check_positive(title, "num_heads", num_heads)
        if embed_dim % num_heads:
            raise ValueError(
                f"{title}: num_heads must divide embed_dim {embed_dim}, got {num_heads}"
            )
        for name, value in (("add_bias_kv", add_bias_kv), ("add_zero_attn", add_zero_attn)):
            check_default(title, name, value, False, "mytorch has no elements beside the keys")
        self.dropout, self.batch_first = check_share(title, "dropout", dropout), batch_first
        self.head_dim = embed_dim // num_heads
        self.kdim = check_positive(title, "kdim", embed_dim if kdim is None else kdim)
        self.vdim = check_positive(title, "vdim", embed_dim if vdim is None else vdim)
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = Parameter(np.empty((3 * embed_dim, embed_dim), dtype))
        else:
            self.q_proj_weight = Parameter(np.empty((embed_dim, embed_dim), dtype))
            self.k_proj_weight = Parameter(np.empty((embed_dim, self.kdim), dtype))
            self.v_proj_weight = Parameter(np.empty((embed_dim, self.vdim), dtype))
        self.in_proj_bias = Parameter(np.empty(3 * embed_dim, dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, Xavier's uniform ones for the inputs; biases become zero."""
        for name, parameter in self.named_parameters():
            if name.endswith("proj_weight"):
                init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                init.zeros_(parameter)

    def forward(
        self,
        query: Tensor | ArrayLike,
        key: Tensor | ArrayLike,
        value: Tensor | ArrayLike,
        key_padding_mask: Tensor | ArrayLike | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | ArrayLike | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
        self._check(q, k, v)
        is_alone = q.ndim == 2
        if is_alone:
            q, k, v = (one.reshape(1, *one.shape) for one in (q, k, v))
        elif not self.batch_first:
            q, k, v = (one.transpose(0, 1) for one in (q, k, v))
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal=True needs the attn_mask, as in torch")
        mask = self._mask(attn_mask, key_padding_mask, q, k)
        heads = [self._heads(one) for one in self._projected(q, k, v)]
        mixed, weights = _attend(
            heads[0], heads[1], heads[2], mask, self.dropout if self.training else 0.0
        )
        rows = mixed.transpose(1, 2).reshape(q.shape[0], q.shape[1], self.embed_dim)
        y = self.out_proj(rows)
        shown = (weights.mean(1) if average_attn_weights else weights) if need_weights else None
        if is_alone:
            y = y.reshape(*y.shape[1:])
            return y, None if shown is None else shown.reshape(*shown.shape[1:])
        return y if self.batch_first else y.transpose(0, 1), shown

    def _check(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        title = "MultiheadAttention"
        widths = (self.embed_dim, self.kdim, self.vdim)
        for name, one, width in zip(("query", "key", "value"), (q, k, v), widths, strict=True):
            if one.ndim not in (2, 3) or one.ndim != q.ndim or one.shape[-1] != width:
                raise ValueError(
                    f"{title}: {name} must be (..., {width}) with a batch if the query has one, "
                    f"{q.shape}, got {one.shape}"
                )
        batch = 0 if self.batch_first else 1
        if k.shape[:-1] != v.shape[:-1] or (q.ndim == 3 and q.shape[batch] != k.shape[batch]):
            raise ValueError(
                f"{title}: key {k.shape} and value {v.shape} must be as long as each other and "
                f"have the batch of the query {q.shape}"
            )
        check_floats(title, query=q, key=k, value=v, weight=self.out_proj.weight)

    def _projected(self, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
        size, bias = self.embed_dim, self.in_proj_bias
        if hasattr(self, "in_proj_weight"):
            if q is k and k is v:  # one product instead of three
                whole = linear(q, self.in_proj_weight, bias)
                return [whole[..., i * size : (i + 1) * size] for i in range(3)]
            weights = [self.in_proj_weight[i * size : (i + 1) * size] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        return [
            linear(one, weight, None if bias is None else bias[i * size : (i + 1) * size])
            for i, (one, weight) in enumerate(zip((q, k, v), weights, strict=True))
        ]

    def _heads(self, x: Tensor) -> Tensor:
        """(N, heads, L, features of a head)"""
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)

    def _mask(self, attn_mask: Any, key_padding_mask: Any, q: Tensor, k: Tensor) -> Tensor | None:
        """Both masks as numbers to be added to the scores (N, heads, L, S)."""
        batch, length, source = q.shape[0], q.shape[1], k.shape[1]
        mask = None
        if attn_mask is not None:
            mask = _as_scores("attn_mask", attn_mask, q, blocks=True)
            every_head = (batch * self.num_heads, length, source)
            if mask.shape == every_head:
                mask = mask.reshape(batch, self.num_heads, length, source)
            elif mask.shape != (length, source):
                raise ValueError(
                    f"MultiheadAttention: attn_mask must be {(length, source)} or {every_head}, "
                    f"got {mask.shape}"
                )
        if key_padding_mask is not None:
            padding = _as_scores("key_padding_mask", key_padding_mask, q, blocks=True)
            if padding.shape not in ((batch, source), (source,) * (batch == 1)):
                raise ValueError(
                    f"MultiheadAttention: key_padding_mask must be {(batch, source)}, "
                    f"got {padding.shape}"
                )
            padding = padding.reshape(batch, 1, 1, source)
            mask = padding if mask is None else mask + padding
        return mask

    def describe(self) -> str:
        return (
            f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, "
            f"batch_first={self.batch_first}"
        )


def scaled_dot_product_attention(
    query: Tensor | ArrayLike,
    key: Tensor | ArrayLike,
    value: Tensor | ArrayLike,
    attn_mask: Tensor | ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> Tensor:
    """`softmax(query key^T scale + attn_mask) value`, with scale 1 / sqrt(features) unless given.

    (..., L, E), (..., S, E), (..., S, V) becomes (..., L, V). A mask of bool is True where one may
    look (the other way around than in MultiheadAttention, as in torch); `is_causal` lets each look
    at those before it and itself. Who may look at nothing gets zeros.
    """
    title = "scaled_dot_product_attention"
    q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
    check_floats(title, query=q, key=k, value=v)
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"{title}: query {q.shape}, key {k.shape} and value {v.shape} do not fit: they must be "
            "(..., L, E), (..., S, E) and (..., S, V)"
        )
    check_share(title, "dropout_p", dropout_p)
    if is_causal and attn_mask is not None:
        raise ValueError(f"{title}: either attn_mask or is_causal=True, not both")
    mask = None
    if is_causal:
        attn_mask = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
    if attn_mask is not None:
        mask = _as_scores("attn_mask", attn_mask, q, blocks=False)
    return _attend(q, k, v, mask, dropout_p, scale)[0]


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout: float,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The weighted means of the values, and the weights."""
    scores = (q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)) @ k.transpose(-1, -2)
    weights = softmax(scores) if mask is None else _masked_softmax(scores, mask)
    weights = drop(weights, dropout)
    return weights @ v, weights


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """softmax(scores + mask), and zeros in a row where all is shut."""
    is_blind = np.isneginf(mask.data).all(axis=-1, keepdims=True)
    if not is_blind.any():
        return softmax(scores + mask)
    # minus infinity less minus infinity is no number: such a row is opened, and then zeroed
    opened = np.where(is_blind, mask.dtype.type(0), mask.data)
    open_mask = record("opened", opened, (mask, lambda g: np.where(is_blind, 0, g)))
    return softmax(scores + open_mask) * Tensor((~is_blind).astype(scores.dtype))


def _as_scores(name: str, mask: Any, q: Tensor, blocks: bool) -> Tensor:
    """A mask as numbers to add: minus infinity where nothing may look. `blocks` says that True of
    a bool is where that is."""
    given = as_tensor(mask)
    if given.dtype == np.bool_:
        is_shut = given.data if blocks else ~given.data
        return Tensor(np.where(is_shut, q.dtype.type(-np.inf), q.dtype.type(0)))
    if given.dtype != q.dtype:
        raise TypeError(f"attention: {name} must be bool or {q.dtype}, got {given.dtype}")
    return given
