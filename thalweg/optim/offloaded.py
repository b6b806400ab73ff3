"""States and steps on the CPU, for parameters on an accelerator whose memory is short.

    opt = optim.offload(model, optim.AdamW, lr=1e-3)

Each parameter has a twin on the host, which the optimizer steps. Gradients are copied there as they
arrive in the backward pass; `step()` takes one bucket of twins after the other, and what one has
moved goes back to the device while the next is stepped.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from thalweg.border.copies import check_not_swapped
from thalweg.border.evaluation import Evaluated
from thalweg.border.groups import model_of
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.lbfgs import LBFGS
from thalweg.optim.twins import Lane, Twins

__all__ = ["OffloadedOptimizer", "offload"]

# what a group has that is not copied to the groups of the buckets: theirs are of their own
_OWN = ("params", "param_names", "decay_filter")

_Bucket = tuple[BaseOptimizer, list[int], list[Twins]]  # it, the numbers of its groups, its twins


class OffloadedOptimizer(torch.optim.Optimizer):
    """What `offload` makes: an optimizer of parameters on a device whose states are on the host.

    Its groups hold the device's parameters and the settings, which schedulers may change; its
    state_dict is that of the class that steps, and either loads the other's.
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: type[BaseOptimizer],
        *,
        master_weights: bool = False,
        free_gradients: bool = False,
        bucket_bytes: int = 1 << 26,
        **settings: Any,
    ) -> None:
        _check(optimizer_class, bucket_bytes, settings)
        self._class, self._settings, self._bucket_bytes = optimizer_class, settings, bucket_bytes
        self._is_wide, self._frees = master_weights, free_gradients
        self._twins: dict[Tensor, Twins] = {}
        self._lanes: dict[torch.device, Lane] = {}
        self._handles: list[Any] = []
        weakref.finalize(self, _removed, self._handles)
        self._filled: list[_Bucket] | None = None
        model = model_of(params, Module)
        # the class itself checks the settings and decides what decays, with the model's names
        self._whole: BaseOptimizer = optimizer_class(params if model is None else model, **settings)
        groups = list(map(_as_given, self._whole.param_groups))
        super().__init__(groups, self._whole.defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; settings it does not name are those the optimizer was made with."""
        super().add_param_group(self._joined(param_group))

    def _joined(self, group: dict[str, Any]) -> dict[str, Any]:
        """A group that joins, as torch takes it; in the whole, twins stand for its parameters."""
        number = len(self.param_groups)
        if number == len(self._whole.param_groups):  # it comes later
            self._whole.add_param_group(group)
        its = self._whole.param_groups[number]
        given = _as_given(its)
        its["params"] = [self._twin(p) for p in its["params"]]
        states = self._whole.state
        for p in [p for p in states if p in self._twins]:  # those that are made at construction
            moved = {k: v.cpu() if isinstance(v, Tensor) else v for k, v in states.pop(p).items()}
            states[self._twins[p].host] = moved
        self._link()
        self._filled = None
        return given

    def _twin(self, p: Tensor) -> Tensor:
        if not p.requires_grad:
            return p
        if p.device not in self._lanes:
            self._lanes[p.device] = Lane(p.device)
        made = self._twins[p] = Twins(p, self._is_wide, self._lanes[p.device])
        hooked: Any = p
        self._handles.append(hooked.register_post_accumulate_grad_hook(_hook(self)))
        return made.host

    def _arrived(self, p: Tensor) -> None:
        """A gradient is complete, in the backward pass."""
        for twins in self._twins.values() if self._frees else ():
            twins.is_copied()
        twins = self._twins[p]
        if p.grad is None or p.grad.layout != torch.strided:
            return  # which step() refuses
        with torch.no_grad():
            if self._frees:
                twins.take()
            else:
                twins.send()

    @property
    def _buckets(self) -> list[_Bucket]:
        """Optimizers of some twins each, those of the last parameters first: so gradients
        arrive."""
        if self._filled is None:
            self._filled = [self._bucket(members) for members in self._shared_out() if members]
        return self._filled

    def _shared_out(self) -> list[list[tuple[int, int, Twins]]]:
        """The twins of each bucket, with the number of their group and their place in it."""
        twins_of = {twins.host: twins for twins in self._twins.values()}
        found: list[list[tuple[int, int, Twins]]] = [[]]
        size = 0
        for number, group in reversed(list(enumerate(self._whole.param_groups))):
            for place, host in reversed(list(enumerate(group["params"]))):
                if host not in twins_of:
                    continue
                own = host.numel() * host.element_size()
                if found[-1] and size + own > self._bucket_bytes and not _is_one(self._class):
                    found.append([])
                    size = 0
                found[-1].append((number, place, twins_of[host]))
                size += own
        return found

    def _bucket(self, members: list[tuple[int, int, Twins]]) -> _Bucket:
        """An optimizer of some twins, with the settings and states that they have in the whole."""
        numbers = sorted({number for number, _, _ in members})
        groups = []
        for number in numbers:
            places = sorted(place for own, place, _ in members if own == number)
            groups.append(_part_of(self._whole.param_groups[number], places))
        made = self._class(groups, **self._settings)
        twins = [one for _, _, one in members]
        for one in twins:
            if one.host in self._whole.state:
                made.state[one.host] = self._whole.state[one.host]
        return made, numbers, twins

    def _link(self) -> None:
        """Let the states that there are be found under the device's parameters and in the whole."""
        for made, _, members in self._filled or ():
            for twins in members:
                if twins.host in made.state:
                    held = made.state[twins.host]
                    self.state[twins.p] = self._whole.state[twins.host] = held

    def _settle(self) -> None:
        """Give the groups of the whole and of the buckets the settings that ours have now."""
        now = [{k: v for k, v in g.items() if k not in _OWN} for g in self.param_groups]
        for group, settings in zip(self._whole.param_groups, now, strict=True):
            group.update(settings)
        for made, numbers, _ in self._filled or ():
            for group, number in zip(made.param_groups, numbers, strict=True):
                group.update(now[number])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step; returns the closure's value."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if isinstance(self._whole, Evaluated):
            check_not_swapped(self._whole)
        self._check_gradients()
        buckets = self._buckets
        self._settle()
        for twins in self._twins.values():
            twins.send()  # what backward has not, or was clipped or scaled since
        for made, _, members in buckets:
            for twins in members:
                twins.ready()
            made.step()
            for twins in members:
                twins.give_back()
        for lane in self._lanes.values():
            lane.join()
        self._link()
        return loss

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Put the weights to look at into the parameters for the length of a `with` block; they are
        those of the class (Lookahead's slow ones, Schedule-Free's)."""
        self._see()
        if not isinstance(self._whole, Evaluated):
            yield
            return
        try:
            with self._whole.evaluation():
                self._show()
                try:
                    yield
                finally:
                    self._see()
        finally:
            self._show()

    def eval(self) -> None:
        """Put the weights to look at into the parameters until `train` is called; twice is once."""
        if isinstance(self._whole, Evaluated):
            self._see()
            self._whole.eval()
            self._show()

    def train(self) -> None:
        """Put the weights of the training back, which `eval` took away; without it, nothing."""
        if isinstance(self._whole, Evaluated) and self._whole._swapped:
            self._see()
            self._whole.train()
            self._show()

    @torch.no_grad()
    def _see(self) -> None:
        """Let the whole know the settings, the states and the device's weights."""
        self._settle()
        self._link()
        for twins in self._twins.values():
            twins.look()

    @torch.no_grad()
    def _show(self) -> None:
        """Give the device the weights that the host has."""
        for twins in self._twins.values():
            twins.show()
        for lane in self._lanes.values():
            lane.join()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, on the device and on the host."""
        super().zero_grad(set_to_none)
        for twins in self._twins.values():
            twins.forget()

    def state_dict(self) -> dict[str, Any]:
        """The state_dict of the class that steps, with our settings."""
        self._settle()
        self._link()
        return self._whole.state_dict()

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state_dict of ours, or of the class that steps."""
        self._see()
        self._whole.load_state_dict(state_dict)
        for ours, theirs in zip(self.param_groups, self._whole.param_groups, strict=True):
            ours.update({k: v for k, v in theirs.items() if k not in _OWN})
        self.state.clear()
        self._filled = None

    def _check_gradients(self) -> None:
        """Refuse, before anything moves, what cannot be copied."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p not in self._twins:
                    raise RuntimeError(
                        f"{self._class.__name__}: a parameter of shape {tuple(p.shape)} has a "
                        "gradient now and was frozen when the optimizer was made; make it anew"
                    )
                if p.grad.layout != torch.strided:
                    raise RuntimeError(
                        f"{self._class.__name__}: an offloaded parameter must have a dense "
                        f"gradient, got one of layout {p.grad.layout}"
                    )

    def __reduce__(self) -> Any:
        raise TypeError(
            "an offloaded optimizer belongs to its parameters and cannot be pickled; "
            "save its state_dict()"
        )


def offload(params: Any, optimizer_class: type[BaseOptimizer], **settings: Any) -> Any:
    """An optimizer whose states and steps are on the CPU, for parameters on an accelerator.

        opt = optim.offload(model, optim.AdamW, lr=1e-3)

    For a model whose weights and gradients fit on a device and whose optimizer's states do not.
    `params` are a model, its parameters or groups, and `optimizer_class` is any class of this
    module that asks for no second gradient (not LBFGS, SAM or Sophia); `settings` are its own.
    Weights in bfloat16 have states in 16 bits, or with `state_dtype="float32"` in 32;
    `master_weights=True` keeps the weights themselves in float32 on the host, too.

    Gradients are copied as they arrive in the backward pass; what changes them afterwards
    (clipping, a GradScaler) is seen. `free_gradients=True` lets go of each on the device when
    it is copied, and adds them up on the host: less memory, and no clipping in between.
    `step()` goes by buckets of `bucket_bytes`, and each goes back to the device while the next
    is stepped; a rule with a number for all tensors (Prodigy) has one bucket.

    The step is that of the class on one device, bit by bit that of the CPU. Raises TypeError for a
    class that is none of these, ValueError for what its settings refuse.
    """
    return OffloadedOptimizer(params, optimizer_class, **settings)


def _hook(optimizer: OffloadedOptimizer) -> Callable[[Tensor], None]:
    """What a parameter calls when its gradient is complete; it keeps no optimizer alive."""
    mine = weakref.ref(optimizer)

    def arrived(p: Tensor) -> None:
        there = mine()
        if there is not None:
            there._arrived(p)

    return arrived


def _removed(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()


def _check(optimizer_class: Any, bucket_bytes: Any, settings: Mapping[str, Any]) -> None:
    is_ours = isinstance(optimizer_class, type) and issubclass(optimizer_class, BaseOptimizer)
    chain = getattr(optimizer_class, "chain", None)
    if not is_ours or issubclass(optimizer_class, LBFGS) or (chain and chain.requests):
        got = repr(optimizer_class)
        if isinstance(optimizer_class, type):  # torch has classes of the same names
            got = f"{optimizer_class.__module__}.{optimizer_class.__qualname__}"
        raise TypeError(
            "offload: optimizer_class must be a class of thalweg.optim that takes a step from one "
            f"gradient, got {got}"
        )
    if not isinstance(bucket_bytes, int) or isinstance(bucket_bytes, bool) or bucket_bytes < 1:
        raise ValueError(f"offload: bucket_bytes must be a whole number >= 1, got {bucket_bytes!r}")
    if settings.get("average") is not None:
        raise TypeError(
            "offload: no average of the weights is kept on the host, got "
            f"average={settings['average']!r}"
        )


def _is_one(optimizer_class: Any) -> bool:
    """Whether a step asks for something of all tensors at once."""
    chain = getattr(optimizer_class, "chain", None)
    return chain is not None and bool(chain.shared or chain.asked_of_all)


def _as_given(group: Mapping[str, Any]) -> dict[str, Any]:
    """A group of an optimizer, as one that is new is given it."""
    given = {**group, "params": list(group["params"])}
    if "param_names" in group:
        given["params"] = list(zip(given.pop("param_names"), given["params"], strict=True))
    return given


def _part_of(group: Mapping[str, Any], places: list[int]) -> dict[str, Any]:
    """A group with some of its parameters, all else as it is."""
    part = {key: value for key, value in group.items() if key not in _OWN}
    part["params"] = [group["params"][i] for i in places]
    if "param_names" in group:
        names = [group["param_names"][i] for i in places]
        part["params"] = list(zip(names, part["params"], strict=True))
    decays = group.get("decay_filter")
    if isinstance(decays, list | tuple):
        decays = [decays[i] for i in places]
    if "decay_filter" in group:
        part["decay_filter"] = decays
    return part
