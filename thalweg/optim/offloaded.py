"""States and steps on the CPU, for parameters on an accelerator whose memory is short.

    opt = optim.offload(model, optim.AdamW, lr=1e-3)

Each parameter has a twin on the host, which the optimizer steps. Gradients are copied there as they
arrive in the backward pass; `step()` takes one bucket of twins after the other, and what one has
moved goes back to the device while the next is stepped. Everything here is the same for every
device: where parameters lie on the CPU, the copies are from memory to memory and nobody waits.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter

from thalweg.border.groups import model_of
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.lbfgs import LBFGS

__all__ = ["OffloadedOptimizer", "offload"]

# what a group has that is not copied to the groups of the buckets: theirs are of their own
_OWN = ("params", "param_names", "decay_filter")
_NARROW = (torch.bfloat16, torch.float16)


class _Lane:
    """The stream of a device on which copies run beside its work."""

    def __init__(self, device: torch.device) -> None:
        found: Any = torch.get_device_module(device)
        has_streams = hasattr(found, "Stream") and hasattr(found, "Event")
        self._module: Any = found if has_streams else torch.cpu
        self.waits = device.type != "cpu" and has_streams
        self._device = device
        self._stream = self._module.Stream(device) if self.waits else self._module.Stream()

    def copy(self, target: Tensor, source: Tensor) -> Any:
        """Begin a copy, behind what the device does now; the event is of its end."""
        self._stream.wait_stream(self._module.current_stream(self._device))
        with self._module.stream(self._stream):
            target.copy_(source, non_blocking=self.waits)
            event = self._module.Event()
            event.record(self._stream)
        return event

    def join(self) -> None:
        """Let the device's work wait for the copies."""
        self._module.current_stream(self._device).wait_stream(self._stream)


class _Twins:
    """A parameter on a device, and its twin on the host with a place for its gradient."""

    def __init__(self, p: Tensor, wide: bool, lane: _Lane) -> None:
        self.p, self.lane = p, lane
        dtype = torch.float32 if wide and p.dtype in _NARROW else p.dtype
        is_pinned = p.device.type != "cpu"
        like = p.detach()
        made = torch.empty_like(like, dtype=dtype, device="cpu", pin_memory=is_pinned)
        self.host = Parameter(made.copy_(like), requires_grad=p.requires_grad)
        self.gradient = torch.empty_like(made, pin_memory=is_pinned)
        self._version = p._version
        self._copied: Tensor | None = None  # the gradient that is on the host, as it was at
        self._copied_at = 0  # this version
        self._event: Any = None
        self._has = False  # whether the host has a gradient that the device let go of

    def send(self) -> None:
        """Copy the gradient, unless what is there now has been copied."""
        grad = self.p.grad
        if grad is None:
            return
        if self._copied is not grad or self._copied_at != grad._version:
            self._event = self.lane.copy(self.gradient, grad.detach())
            self._copied, self._copied_at = grad, grad._version

    def take(self) -> None:
        """Bring the gradient to the host and let go of it on the device; it adds up there."""
        grad = self.p.grad
        if grad is None:
            return
        if self._has:
            self.wait()
            self.gradient.add_(grad.detach().to(self.gradient.device))
        else:
            self._event = self.lane.copy(self.gradient, grad.detach())
            self._copied = grad  # kept alive until it is copied
        self.p.grad, self._has = None, True

    def is_copied(self) -> bool:
        """Whether nothing is under way; if so, the device's gradient is let go of."""
        if self._event is not None and self._event.query():
            self._event = self._copied = None
        return self._event is None

    def wait(self) -> None:
        """Wait until the gradient has arrived."""
        if self._event is not None:
            self._event.synchronize()
            self._event = None

    def ready(self) -> None:
        """Give the twin its gradient, and the weights that somebody has given its parameter."""
        self.wait()
        there = self.p.grad is not None or self._has
        self.host.grad = self.gradient if there else None
        if self.p._version != self._version:
            self.host.copy_(self.p)

    def give_back(self) -> None:
        """Begin to copy the weights to the device."""
        if self.host.grad is not None:
            self.lane.copy(self.p, self.host)
        self._version = self.p._version
        self._copied, self._has = None, False

    def forget(self) -> None:
        """The gradient is nobody's business any more."""
        self.wait()
        self._copied, self._has = None, False


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
        self._twins: dict[Tensor, _Twins] = {}
        self._lanes: dict[torch.device, _Lane] = {}
        self._handles: list[Any] = []
        weakref.finalize(self, _removed, self._handles)
        self._buckets: list[tuple[BaseOptimizer, list[int], list[_Twins]]] = []
        model = model_of(params, Module)
        # the class itself checks the settings and decides what decays, with the model's names
        self._whole: BaseOptimizer = optimizer_class(params if model is None else model, **settings)
        groups = [dict(group) for group in self._whole.param_groups]
        for group in groups:
            if "param_names" in group:
                names = group.pop("param_names")
                group["params"] = list(zip(names, group["params"], strict=True))
        super().__init__(groups, self._whole.defaults)
        self._pair(self._whole.param_groups)

    def _pair(self, groups: list[dict[str, Any]]) -> None:
        """Make twins of what groups of the whole have, put them in its place, and fill buckets."""
        first = len(self._whole.param_groups) - len(groups)
        for group in groups:
            group["params"] = [self._twin(p) for p in group["params"]]
        whole = self._whole
        for p, held in list(whole.state.items()):  # those that are made at construction
            if p in self._twins:
                del whole.state[p]
                whole.state[self._twins[p].host] = {
                    k: v.cpu() if isinstance(v, Tensor) else v for k, v in held.items()
                }
        self._fill(range(first, len(whole.param_groups)))
        self._link()

    def _twin(self, p: Tensor) -> Tensor:
        if not p.requires_grad:
            return p
        if p.device not in self._lanes:
            self._lanes[p.device] = _Lane(p.device)
        made = self._twins[p] = _Twins(p, self._is_wide, self._lanes[p.device])
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

    def _fill(self, numbers: range) -> None:
        """Put the twins of these groups into buckets, the last first: so gradients arrive."""
        host_of = {twins.host: twins for twins in self._twins.values()}
        found: list[list[tuple[int, int, _Twins]]] = [[]]
        size = 0
        for number in reversed(numbers):
            params = self._whole.param_groups[number]["params"]
            for place in reversed(range(len(params))):
                if params[place] not in host_of:
                    continue
                twins = host_of[params[place]]
                own = twins.host.numel() * twins.host.element_size()
                if found[-1] and size + own > self._bucket_bytes and not _is_one(self._class):
                    found.append([])
                    size = 0
                found[-1].append((number, place, twins))
                size += own
        self._buckets += [self._bucket(members) for members in found if members]

    def _bucket(self, members: list[tuple[int, int, _Twins]]) -> Any:
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
        for made, _, members in self._buckets:
            for twins in members:
                if twins.host in made.state:
                    held = made.state[twins.host]
                    self.state[twins.p] = self._whole.state[twins.host] = held

    def _settle(self) -> None:
        """Give the groups of the whole and of the buckets the settings that ours have now."""
        now = [{k: v for k, v in g.items() if k not in _OWN} for g in self.param_groups]
        for group, settings in zip(self._whole.param_groups, now, strict=True):
            group.update(settings)
        for made, numbers, _ in self._buckets:
            for group, number in zip(made.param_groups, numbers, strict=True):
                group.update(now[number])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step; returns the closure's value."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._check_gradients()
        self._settle()
        for twins in self._all():
            twins.send()  # what backward has not, or was clipped or scaled since
        for made, _, members in self._buckets:
            for twins in members:
                twins.ready()
            made.step()
            for twins in members:
                twins.give_back()
        for lane in self._lanes.values():
            lane.join()
        self._link()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, on the device and on the host."""
        super().zero_grad(set_to_none)
        for twins in self._twins.values():
            twins.forget()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; settings it does not name are those the optimizer was made with."""
        if not self._twins:  # under construction
            super().add_param_group(param_group)
            return
        self._whole.add_param_group(param_group)
        made = self._whole.param_groups[-1]
        super().add_param_group({**made, "params": list(made["params"])})
        self._pair([made])

    def state_dict(self) -> dict[str, Any]:
        """The state_dict of the class that steps, with our settings."""
        self._settle()
        self._link()
        return self._whole.state_dict()

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state_dict of ours, or of the class that steps."""
        self._settle()
        self._whole.load_state_dict(state_dict)
        for ours, theirs in zip(self.param_groups, self._whole.param_groups, strict=True):
            ours.update({k: v for k, v in theirs.items() if k not in _OWN})
        for made, _, members in self._buckets:
            for twins in members:
                made.state.pop(twins.host, None)
                if twins.host in self._whole.state:
                    made.state[twins.host] = self._whole.state[twins.host]
        self.state.clear()
        self._link()

    def _all(self) -> Iterator[_Twins]:
        for _, _, members in self._buckets:
            yield from members

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
        got = getattr(optimizer_class, "__name__", repr(optimizer_class))
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
