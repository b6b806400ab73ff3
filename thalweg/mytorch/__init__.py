"""A small network library on NumPy alone, in torch's manner.

A training loop reads as it does there:

    from thalweg.mytorch import data, nn, optim

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    loss_of = nn.CrossEntropyLoss()
    opt = optim.AdamW(model, lr=1e-3)
    for images, labels in data.DataLoader(data.digits(), batch_size=64, shuffle=True):
        opt.zero_grad()
        loss_of(model(images), labels).backward()
        opt.step()

What is a method of a tensor in torch is one here, and what is a function there, `cat`, `stack`,
`where`, `zeros` and the like, is found in this module.
"""

from importlib import import_module
from typing import Any

from numpy import float32, float64, int32, int64, uint8

from thalweg.mytorch import data, nn
from thalweg.mytorch.activating import (
    log_softmax,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from thalweg.mytorch.evaluation import evaluate
from thalweg.mytorch.gradcheck import gradcheck
from thalweg.mytorch.graph import (
    enable_grad,
    is_grad_enabled,
    no_grad,
)
from thalweg.mytorch.history import History
from thalweg.mytorch.indexing import (
    gather,
    index_select,
    one_hot,
)
from thalweg.mytorch.joining import (
    cat,
    chunk,
    split,
    stack,
    unbind,
)
from thalweg.mytorch.making import (
    arange,
    empty,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from thalweg.mytorch.metrics import accuracy
from thalweg.mytorch.operators import (
    add,
    div,
    eq,
    ge,
    gt,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    matmul,
    mul,
    ne,
    neg,
    pow,
    sub,
)
from thalweg.mytorch.ordering import (
    amax,
    amin,
    argmax,
    argmin,
    argsort,
    max,
    min,
    sort,
    topk,
)
from thalweg.mytorch.pointwise import (
    abs,
    ceil,
    clamp,
    cos,
    exp,
    expm1,
    floor,
    isfinite,
    isinf,
    isnan,
    log,
    log1p,
    log2,
    log10,
    masked_fill,
    maximum,
    minimum,
    reciprocal,
    round,
    rsqrt,
    sign,
    sin,
    sqrt,
    square,
    where,
)
from thalweg.mytorch.random import (
    get_rng_state,
    manual_seed,
    set_rng_state,
)
from thalweg.mytorch.reductions import (
    all,
    any,
    cumsum,
    logsumexp,
    mean,
    norm,
    prod,
    std,
    sum,
    var,
)
from thalweg.mytorch.shapes import (
    broadcast_to,
    expand,
    flatten,
    flip,
    movedim,
    permute,
    repeat,
    reshape,
    squeeze,
    transpose,
    tril,
    triu,
    unsqueeze,
)
from thalweg.mytorch.summary import summary
from thalweg.mytorch.tensor import (
    Tensor,
)
from thalweg.mytorch.training import fit

__all__ = [
    "History",
    "Tensor",
    "abs",
    "accuracy",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "broadcast_to",
    "cat",
    "ceil",
    "chunk",
    "clamp",
    "cos",
    "cumsum",
    "data",
    "div",
    "empty",
    "enable_grad",
    "eq",
    "evaluate",
    "exp",
    "expand",
    "expm1",
    "eye",
    "fit",
    "flatten",
    "flip",
    "float32",
    "float64",
    "floor",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "get_rng_state",
    "gradcheck",
    "gt",
    "index_select",
    "int32",
    "int64",
    "is_grad_enabled",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "linspace",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "lt",
    "manual_seed",
    "masked_fill",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "movedim",
    "mul",
    "ne",
    "neg",
    "nn",
    "no_grad",
    "norm",
    "one_hot",
    "ones",
    "ones_like",
    "permute",
    "pow",
    "prod",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "reciprocal",
    "relu",
    "repeat",
    "reshape",
    "round",
    "rsqrt",
    "set_rng_state",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "summary",
    "tanh",
    "tensor",
    "topk",
    "transpose",
    "tril",
    "triu",
    "uint8",
    "unbind",
    "unsqueeze",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

# What is there when it is asked for: optimizers bring all rules along.
_LATER = {"checkpoint", "optim"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
