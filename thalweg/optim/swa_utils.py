"""Averages of a model's weights beside the training: `torch.optim.swa_utils`, on our formulas.

    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    ...
    ema.update_parameters(model)        # after every step

`average=EMA(0.999)` in an optimizer keeps the same average inside the step, at less cost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.optim.swa_utils as torchs
from torch import Tensor
from torch.nn import Module

from thalweg.averaging import EMA, SWA, Average
from thalweg.optim import tensors  # noqa: F401  (a stage's lines on torch's tensors)
from thalweg.optim.fallback import from_torch
from thalweg.optim.lr_scheduler import SWALR
from thalweg.optim.lr_scheduler.saved import as_setting
from thalweg.optim.model_copies import Device, borrowing, copied
from thalweg.stages import EqualAverage, ExponentialAverage

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

__getattr__ = from_torch(__name__)

AvgFn = Callable[[Tensor, Tensor, Tensor | int], Tensor]
Tensors = tuple[Tensor, ...] | list[Tensor]
MultiAvgFn = Callable[[Tensors, Tensors, Tensor | int], None]

_DECAY = ExponentialAverage.declaration.settings["decay"]
_WORDS = {"decay": "Invalid decay value {} provided"}  # what torch says

# what torch moves towards another tensor in place, rounding once
_LERPED = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_LERPED |= {torch.complex64, torch.complex128}

# far above what arithmetic in double loses, far below what a mean of whole numbers is off one
_SNAP = 1e-9


@dataclass(frozen=True)
class _Formula:
    """An average by the lines of its stage, which torch computes."""

    average: Average

    def take(self, num_averaged: Tensor | int) -> float:
        """How much of the way to the current weights the average goes."""
        return float(self._moved(1.0, 0.0, num_averaged))

    def _moved(self, p: Any, avg: Any, num_averaged: Tensor | int) -> Any:
        """The next average, by the lines of the stage."""
        if isinstance(self.average, EMA):
            return ExponentialAverage.update(p, avg, first=False, decay=self.average.decay)
        is_due = {"t": 1, "start": 1, "every": 1}
        return EqualAverage.update(p, avg, int(num_averaged), n_missed=0, **is_due)[0]

    @torch.no_grad()
    def one(self, averaged: Tensor, current: Tensor, num_averaged: Tensor | int) -> Tensor:
        """The next average of one tensor."""
        if averaged.dtype == torch.bool:
            return current
        wide = torch.promote_types(averaged.dtype, torch.float32)
        is_whole = not (wide.is_complex or averaged.is_floating_point())
        wide = torch.float64 if is_whole else wide
        p, avg = current.to(wide), averaged.to(wide)
        moved = self._moved(p, avg, num_averaged)
        return _snapped(moved) if is_whole else moved.to(averaged.dtype)

    @torch.no_grad()
    def all(
        self,
        averaged: Tensors,
        current: Tensors,
        num_averaged: Tensor | int,
    ) -> None:
        """The next averages of many tensors, in place.

        `update` as written makes three temporaries of each tensor, and takes ten times as long as
        torch's one call for all of them; that the two agree is tested.
        """
        take = self.take(num_averaged)
        ends: tuple[list[Tensor], list[Tensor]] = [], []
        for avg, p in zip(averaged, current, strict=True):
            if take < 1 and avg.dtype in _LERPED and _are_alike(avg, p):
                ends[0].append(avg)
                ends[1].append(p)
            else:
                avg.copy_(self.one(avg, p.to(avg.device), num_averaged))
        if ends[0]:
            torch._foreach_lerp_(*ends, take)


def _are_alike(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.device == other.device


def _snapped(x: Tensor) -> Tensor:
    """Means that are whole but for rounding, made whole: a copy into integers cuts the rest off."""
    near = x.round()
    return torch.where((x - near).abs() <= _SNAP * near.abs().clamp(min=1), near, x)


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """Give a `multi_avg_fn` that keeps an exponential moving average.

    Differs: can be pickled; takes averages of a wider type than the weights.
    """
    as_setting("get_ema_multi_avg_fn", "decay", decay, _DECAY, _WORDS)
    return _Formula(EMA(decay)).all


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """Give a `multi_avg_fn` that keeps the plain mean.

    Differs: can be pickled; takes averages of a wider type than the weights, and integers; of
    float64 weights the mean is exact to float64, where torch's has the digits of float32.
    """
    return _Formula(SWA()).all


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """Give an `avg_fn` that keeps an exponential moving average.

    Differs: can be pickled; rounds once in narrow types.
    """
    as_setting("get_ema_avg_fn", "decay", decay, _DECAY, _WORDS)
    return _Formula(EMA(decay)).one


def get_swa_avg_fn() -> AvgFn:
    """Give an `avg_fn` that keeps the plain mean.

    Differs: can be pickled; rounds once in narrow types.
    """
    return _Formula(SWA()).one


class AveragedModel(torchs.AveragedModel):
    """A copy of a model whose parameters follow the model's as an average of them.

        ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        ema.update_parameters(model)        # after every step
        ema(inputs)                         # the averaged model

    Without a function the average is the plain mean (SWA). `avg_fn(averaged, current, n)` returns
    a tensor's next average, `multi_avg_fn(averaged, current, n)` moves lists of tensors in place;
    n is the number of models averaged so far. The first update copies. Buffers are copied at each
    update, or averaged as well with `use_buffers`; batch norms that are copied go with the
    model's weights, not with the average: `update_bn` makes new ones.

    `shallow` is for large models and for those that cannot be deep-copied. Parameters, buffers
    and modules are new, the tensors straight on `device`; all else (a trainer, a tokenizer, a
    cache) is the model's own. A module or parameter that is an attribute as well, or in a list,
    tuple or dict that is one, is replaced there; nothing deeper is looked into.

    Differs: `shallow`; with `device`, nothing is copied on the model's device first, and an
    update moves one tensor at a time; the average may be of a wider type than the model
    (`AveragedModel(model).float()`); a model of other shapes is an error; of integer buffers the
    mean is cut off as in torch, but rounding lets none fall by one; booleans are copied.
    """

    def __init__(
        self,
        model: Module,
        device: Device | None = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
        *,
        shallow: bool = False,
    ) -> None:
        Module.__init__(self)  # torch's own makes the deep copy
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: model must be a torch.nn.Module, got {model!r}")
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: only one of avg_fn and multi_avg_fn may be given")
        self.module = borrowing(model, device) if shallow else copied(model, device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    @torch.no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's weights into the average."""
        pairs = _pairs("parameter", self.module, model)
        buffers = _pairs("buffer", self.module, model)
        if self.use_buffers:
            pairs += buffers
        if self.n_averaged == 0:
            _copy(pairs)
        elif self.avg_fn is not None:
            for averaged, current in pairs:
                n = self.n_averaged.to(averaged.device)
                averaged.copy_(self.avg_fn(averaged, _beside(averaged, current), n))
        else:
            self._update_many(self.multi_avg_fn or _Formula(SWA()).all, pairs)
        if not self.use_buffers:
            _copy(buffers)
        self.n_averaged += 1

    def _update_many(self, multi_avg_fn: MultiAvgFn, pairs: list[tuple[Tensor, Tensor]]) -> None:
        alike: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
        for averaged, current in pairs:
            beside = _beside(averaged, current)
            if beside is current:
                kind = averaged.device, averaged.dtype
                of_kind = alike.setdefault(kind, ([], []))
                of_kind[0].append(averaged)
                of_kind[1].append(current)
            else:  # alone, so that of a large model no more than one tensor is there twice
                multi_avg_fn([averaged], [beside], self.n_averaged.to(averaged.device))
        for (device, _), lists in alike.items():
            multi_avg_fn(*lists, self.n_averaged.to(device))


def _pairs(what: str, averaged: Module, current: Module) -> list[tuple[Tensor, Tensor]]:
    """The tensors of both models in order: names may differ, as those of a wrapped model do."""
    own, others = (list(getattr(m, f"named_{what}s")()) for m in (averaged, current))
    if [t.shape for _, t in own] != [t.shape for _, t in others]:
        one, other = next(
            (one, other)
            for one, other in itertools.zip_longest(own, others)
            if one is None or other is None or one[1].shape != other[1].shape
        )
        raise ValueError(
            "AveragedModel.update_parameters: the model must be like the averaged one, got "
            f"{_described(what, other)} where it has {_described(what, one)}"
        )
    return [(t, u) for (_, t), (_, u) in zip(own, others, strict=True)]


def _described(what: str, found: tuple[str, Tensor] | None) -> str:
    return f"{what} {found[0]!r} of shape {tuple(found[1].shape)}" if found else f"no {what}"


def _copy(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    for averaged, current in pairs:
        averaged.copy_(current)


def _beside(averaged: Tensor, current: Tensor) -> Tensor:
    """The model's tensor where the average is, and in its type if that is another float."""
    if _are_alike(averaged, current):
        return current
    is_float = averaged.is_floating_point() and current.is_floating_point()
    return current.to(averaged.device, averaged.dtype if is_float else current.dtype)


@torch.no_grad()
def update_bn(
    loader: Iterable[Any],
    model: Module,
    device: Device | None = None,
    *,
    forward: Callable[[Any, Any], Any] | None = None,
) -> None:
    """Make the running statistics of the model's batch norms anew, from one pass over a loader.

        update_bn(loader, ema)
        update_bn(loader, ema, forward=lambda model, batch: model(batch["image"].half()))

    `forward(model, batch)` runs a batch. Without it the model is called with a batch that is a
    tensor, with the first element of a list or a tuple, and with the entries of a mapping as
    keyword arguments. With `device`, the tensors of a batch are moved there first.

    Differs: mappings and `forward`; every module is put back into the mode it was in, and batch
    norms into theirs, also if a batch fails; a loader that gives nothing is an error, and leaves
    the statistics as they are.
    """
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    batches = iter(loader)
    missing = object()
    first = next(batches, missing)
    if first is missing:
        raise ValueError(
            "update_bn: loader must give at least one batch, got none; an iterator gives its "
            "batches only once"
        )
    with _averaging(model, norms):
        for batch in itertools.chain([first], batches):
            _call(model, batch, device, forward)


@contextmanager
def _averaging(model: Module, norms: Sequence[Any]) -> Iterator[None]:
    """Have batch norms keep the plain mean over batches, from now on and until the block ends."""
    modes = [(module, module.training) for module in model.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    try:
        model.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        yield
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum
        for module, training in modes:
            module.training = training


def _call(
    model: Module, batch: Any, device: Device | None, forward: Callable[[Any, Any], Any] | None
) -> None:
    if forward is not None:
        forward(model, _moved(batch, device))
    elif isinstance(batch, Mapping):
        model(**_moved(batch, device))
    else:
        model(_moved(batch[0] if isinstance(batch, list | tuple) else batch, device))


def _moved(batch: Any, device: Device | None) -> Any:
    """A batch on a device: its tensors, whatever they are in."""
    if device is None:
        return batch
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: _moved(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        moved = [_moved(value, device) for value in batch]
        return type(batch)(*moved) if hasattr(batch, "_fields") else type(batch)(moved)
    return batch
