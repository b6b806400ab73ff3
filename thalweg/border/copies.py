"""The copies of the weights that an optimizer keeps: Lookahead's slow ones, and averages.

What both borders share; how a parameter is read and written is the border's own (`WithCopies`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from thalweg.border.matching import pairs_of_names
from thalweg.chain import Chain
from thalweg.stages import EqualAverage, ExponentialAverage, Lookahead

__all__ = [
    "AveragedWeights",
    "SlowWeights",
    "WithCopies",
    "bring_back",
    "check_not_swapped",
    "check_saved",
    "itself",
    "lend",
    "lent_state",
]


class WithCopies:
    """What an optimizer must be for its copies to be used."""

    chain: ClassVar[Chain]  # as it was declared
    _chain: Chain  # with the average behind it, if this optimizer keeps one
    param_groups: Any
    state: Any
    _swapped: str
    _at_home: list[tuple[Any, Any, Any]]  # each parameter that is lent, its own value, its mark

    def _kept(self, p: Any) -> Any:
        """A copy of a parameter's value."""
        raise NotImplementedError

    def _put(self, target: Any, value: Any) -> None:
        """Write a value into a parameter or a state, in its own type."""
        raise NotImplementedError

    def _wide(self, value: Any) -> Any:
        """The value of a parameter or a state, in a type to compute with."""
        raise NotImplementedError

    def _mark(self, p: Any) -> Any:
        """What is another once somebody has written into a parameter."""
        raise NotImplementedError


def itself(opt: Any) -> Any:
    """The optimizer, where a wrapper made at run time out of its class calls a method as its own:
    what it would write to itself, the optimizer would not see."""
    own = getattr(opt, "_itself", None)
    return opt if own is None else own()


class SlowWeights(WithCopies):
    """What optimizers with a Lookahead stage have besides: `slow_weights`, `load_slow_weights` and
    `sync`."""

    def sync(self) -> None:
        """End a round early: the slow weights go part of the way to the fast ones, which start
        again from there.

        It is what happens at every k-th `step`; the count of steps does not change. To have the
        slow weights as they are, call `load_slow_weights`. Parameters that have not been stepped
        yet have no slow weights, and stay as they are.
        """
        if _shows_slow(self, "sync()"):
            return
        for p, slow, alpha in _slow(self):
            fast, moved = Lookahead.update(self._wide(p), self._wide(slow), 1, alpha, 1)
            self._put(p, fast)
            self._put(slow, moved)

    def load_slow_weights(self) -> None:
        """Make the slow weights the weights, for good: at the end of a training, say.

        The fast ones are gone; a training that goes on starts again from the slow ones. Parameters
        that have not been stepped yet have no slow weights, and stay as they are.
        """
        if _shows_slow(self, "load_slow_weights()"):
            return
        for p, slow, _ in _slow(self):
            self._put(p, self._wide(slow))

    @contextmanager
    def slow_weights(self) -> Iterator[None]:
        """Put the slow weights into the parameters for the length of a `with` block.

            with opt.slow_weights():
                evaluate(model)

        The fast weights come back at its end, whatever happens in it; `step` inside it raises.
        """
        with _swapped(self, "slow_weights()", [(p, slow) for p, slow, _ in _slow(self)]):
            yield


class AveragedWeights(WithCopies):
    """What an optimizer with an average has besides: `averaged_weights` and `load_averaged`."""

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Put the averages into the parameters for the length of a `with` block.

            with opt.averaged_weights():
                evaluate(model)

        The weights come back at its end, whatever happens in it; `step` inside it raises. A
        parameter with no average yet keeps its own value. Batch norms keep the statistics of the
        weights they were trained with: torch's `update_bn` inside the block makes new ones.
        """
        pairs = [(p, average) for p, average in _averages(self) if average is not None]
        with _swapped(self, "averaged_weights()", pairs):
            yield

    def load_averaged(self, model: Any) -> None:
        """Copy the averages into a model: the optimizer's own, or another of the same parameters.

        Another model is matched by the parameters' names if the optimizer was made from
        `named_parameters()`, else by their order. A parameter with no average yet is copied as it
        is; buffers are left alone.
        """
        pairs = _averages(self)
        targets = _targets(self, model, [p for p, _ in pairs])
        if any(target is p for (p, _), target in zip(pairs, targets, strict=True)):
            check_not_swapped(itself(self), "load_averaged()")
        for (p, _), target in zip(pairs, targets, strict=True):
            if target.shape != p.shape:
                raise ValueError(
                    f"{self._chain.name}.load_averaged: the model's parameters must have the "
                    f"shapes of the optimizer's, got {tuple(target.shape)} for {tuple(p.shape)}"
                )
        for (p, average), target in zip(pairs, targets, strict=True):
            self._put(target, self._wide(p if average is None else average))


def check_not_swapped(opt: WithCopies, what: str = "step()") -> None:
    """Raise if the parameters hold other values than their own."""
    if opt._swapped == "eval()":
        raise RuntimeError(
            f"{opt._chain.name}: {what} was called after eval(); "
            "call train() first, so that the weights are back"
        )
    if opt._swapped == "first_step()":
        raise RuntimeError(
            f"{opt._chain.name}: {what} was called after first_step(); "
            "call second_step() first, so that the weights are back"
        )
    if opt._swapped:
        raise RuntimeError(
            f"{opt._chain.name}: {what} was called inside `with {opt._swapped}`; "
            "leave the block first, so that the weights are back"
        )


def check_saved(opt: WithCopies) -> None:
    """Raise if what is saved now would have other weights beside it than those of the training.

    Inside `averaged_weights()` and `slow_weights()` they are what was asked for.
    """
    if opt._swapped not in ("averaged_weights()", "slow_weights()"):
        check_not_swapped(opt, "state_dict()")


@contextmanager
def _swapped(opt: WithCopies, block: str, pairs: Iterable[tuple[Any, Any]]) -> Iterator[None]:
    """Give each parameter its other value; its own comes back, whatever happens meanwhile.

    `block` is what the user wrote behind `with`; the same block inside itself changes nothing.
    """
    opt = itself(opt)
    if opt._swapped == block:
        yield
        return
    lend(opt, block, pairs)
    try:
        yield
    finally:
        bring_back(opt)


def lend(opt: WithCopies, block: str, pairs: Iterable[tuple[Any, Any]]) -> None:
    """Give each parameter its other value, until `bring_back`; `block` is what the user wrote."""
    if opt._swapped == "first_step()":
        check_not_swapped(opt, block)
    if opt._swapped:
        inside, then = f"`with {opt._swapped}`", "leave that block first"
        if opt._swapped == "eval()":
            inside, then = "`eval()`", "call train() first"
        raise RuntimeError(f"{opt._chain.name}: {block} was called inside {inside}; {then}")
    opt._swapped, opt._at_home = block, []
    try:
        for p, other in pairs:
            own = opt._kept(p)
            opt._at_home.append((p, own, None))
            opt._put(p, other)
            opt._at_home[-1] = (p, own, opt._mark(p))
    except BaseException:
        bring_back(opt)
        raise


def bring_back(opt: WithCopies) -> None:
    """Give every parameter that can still take it its own value back.

    What was written into one meanwhile, a loaded model say, is then gone: that is said.
    """
    changed, failed = 0, None
    for p, own, mark in opt._at_home:
        changed += mark is not None and opt._mark(p) != mark
        try:
            opt._put(p, own)
        except (RuntimeError, ValueError) as error:
            failed = failed or error
    block, opt._swapped, opt._at_home = opt._swapped, "", []
    when = "after eval()" if block == "eval()" else f"inside `with {block}`"
    if failed is not None:
        raise RuntimeError(
            f"{opt._chain.name}: a parameter was given another shape {when}, and keeps it; "
            f"the weights of the training are back in the others: {failed}"
        )
    if changed:
        warnings.warn(
            f"{opt._chain.name}: {changed} of its parameters were written into {when}, which is "
            f"lost: the weights of the training are back; load others when that is over",
            stacklevel={"eval()": 3, "evaluation()": 4}.get(block, 6),  # the user's own line
        )


def lent_state(opt: WithCopies) -> dict[str, Any]:
    """What a copy or a file of an optimizer needs to have its own weights back by `train`; one that
    is made inside a block is in none, and its weights are those that it has."""
    if opt._swapped == "first_step()":
        check_not_swapped(opt, "a copy or a file")
    if opt._swapped != "eval()":
        return {}
    return {"_swapped": "eval()", "_at_home": [(p, own, None) for p, own, _ in opt._at_home]}


def _shows_slow(opt: WithCopies, what: str) -> bool:
    """Whether the parameters hold the slow weights already; raises if they hold yet others, which
    would be taken for the fast ones, and what is written into them undone."""
    opt = itself(opt)
    if opt._swapped != "slow_weights()":
        check_not_swapped(opt, what)
    return bool(opt._swapped)


def _slow(opt: WithCopies) -> Iterator[tuple[Any, Any, float]]:
    """Every parameter that has slow weights, with them and its alpha."""
    slots = [slot for slot in opt._chain.slots if issubclass(slot.part.declared, Lookahead)]
    for group in opt.param_groups:
        views = opt._chain.views(group)
        for slot in slots:
            h = views[opt._chain.parts.index(slot.part)]
            alpha = getattr(h, "alpha", 0.0)
            for p in group["params"] if h is not None else ():
                if slot.key in opt.state.get(p, {}):
                    yield p, opt.state[p][slot.key], alpha


def _averages(opt: WithCopies) -> list[tuple[Any, Any]]:
    """Every parameter with its average; None where there is none yet."""
    kinds = (ExponentialAverage, EqualAverage)
    slots = [slot for slot in opt._chain.slots if issubclass(slot.part.declared, kinds)]
    if not slots:
        raise RuntimeError(
            f"{opt._chain.name} keeps no average; make it with average=EMA(...) or average=SWA(...)"
        )
    part = slots[-1].part
    counter = part.declared.declaration.cells.get("n_averaged")
    found = []
    for p in (p for group in opt.param_groups for p in group["params"]):
        held = opt.state.get(p, {})
        has_begun = counter is None or float(held.get(part.key("n_averaged", counter.key), 0)) > 0
        found.append((p, held.get(slots[-1].key) if has_begun else None))
    return found


def _targets(opt: WithCopies, model: Any, params: Sequence[Any]) -> list[Any]:
    """The model's parameter for each of the optimizer's."""
    named = dict(model.named_parameters())
    theirs = list(named.values())
    if set(params) <= set(theirs):
        return list(params)
    title = f"{opt._chain.name}.load_averaged"
    names = [name for group in opt.param_groups for name in group.get("param_names", ())]
    if len(names) == len(params):
        theirs_of = {own: theirs for theirs, own in pairs_of_names(list(named), names).items()}
        missing = [name for name in names if name not in theirs_of]
        if missing:
            raise ValueError(
                f"{title}: the model must have the optimizer's parameters; "
                f"it lacks {', '.join(map(repr, missing))}"
            )
        return [named[theirs_of[name]] for name in names]
    hint = "made from named_parameters(), the optimizer would find its own among them"
    if len(theirs) != len(params):
        raise ValueError(
            f"{title}: the model must have the optimizer's {len(params)} parameters, got "
            f"{len(theirs)}; {hint}"
        )
    if len(opt.param_groups) > 1:
        raise ValueError(
            f"{title}: the model must be the optimizer's own, since the order of "
            f"{len(opt.param_groups)} groups need not be that of a model; {hint}"
        )
    return theirs
