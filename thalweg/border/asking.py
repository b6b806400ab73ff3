"""Another gradient, for rules that ask for one: at other weights, or of another loss.

A step that is given closures calls them, with the weights where the rule wants them. A loop that
has none takes the step in two: `first_step()` moves the weights there, the loop computes a
gradient, and `second_step()` puts them back and takes the step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from thalweg.chain import Chain
from thalweg.text import Request

__all__ = ["Asking", "AskingSteps", "Elsewhere"]

About = Sequence[tuple[Any, Any]]


def _check_closures(chain: Chain, closures: Mapping[str, Any]) -> None:
    """Raise where a step asks for the gradient of a loss whose closure it was not given."""
    names = {request.of for request in chain.requests.values() if request.kind == "gradient"}
    for name in sorted(names):
        if closures.get(name) is None:
            how = "step(closure)" if name == "loss" else f"step(closure, {name}=closure)"
            more = ", or be taken as first_step() and second_step()" if name == "loss" else ""
            raise RuntimeError(
                f"{chain.name}: a step asks for the gradient of the {name} once more and must be "
                f"given a closure that computes it, {how}{more}"
            )
    for name in closures:
        if name not in names and name != "loss":
            raise TypeError(
                f"{chain.name}: step was given a closure {name!r}, which no part asks for"
            )


class Asking:
    """Answers the questions of one step by calling its closures.

    `kept` makes a copy of a parameter's weights, `put` gives it others, and `evaluated` calls a
    closure with gradients on.
    """

    def __init__(
        self,
        params: Iterable[Any],
        closures: Mapping[str, Callable[[], Any]],
        kept: Callable[[Any], Any],
        put: Callable[[Any, Any], None],
        evaluated: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self.params, self.closures = list(params), closures
        self._kept, self._put, self._evaluated = kept, put, evaluated

    def __call__(self, request: Request, about: About) -> list[Any]:
        """The gradients of these parameters at these weights; the weights, and the gradients that
        were there, are put back whatever happens."""
        elsewhere = Elsewhere(self.params, about, self._kept, self._put)
        try:
            elsewhere.go()
            self._evaluated(self.closures[request.of])
            return [p.grad for p, _ in about]
        finally:
            try:
                elsewhere.back()
            finally:  # Ctrl-C may come in between
                elsewhere.back()


class Elsewhere:
    """Parameters on their way to other weights and back; their gradients stay at home."""

    def __init__(
        self,
        params: Sequence[Any],
        about: About,
        kept: Callable[[Any], Any],
        put: Callable[[Any, Any], None],
    ) -> None:
        self.about, self._put = about, put
        self.home = [(p, kept(p)) for p, _ in about]
        self.grads = [(p, p.grad) for p in params]

    def go(self) -> None:
        """Put the weights where they are asked for, without gradients."""
        for p, at in self.about:
            if at is not None:
                self._put(p, at)
        for p, _ in self.grads:
            p.grad = None

    def back(self) -> None:
        """Put weights and gradients back."""
        for p, weights in self.home:
            self._put(p, weights)
        for p, grad in self.grads:
            p.grad = grad


class _Paused(Exception):
    """A step in two has come to its question."""

    def __init__(self, request: Request, about: About) -> None:
        super().__init__()
        self.request, self.about = request, about


def _pausing(request: Request, about: About) -> list[Any]:
    raise _Paused(request, about)


class AskingSteps:
    """The steps of an optimizer whose rule asks for another gradient."""

    param_groups: Any
    _chain: Chain
    _asking: Callable[[Request, About], list[Any]] | None
    _elsewhere: Elsewhere | None

    # what the border's class has, which comes behind this one
    _kept: Callable[[Any], Any]
    _put: Callable[[Any, Any], None]
    _evaluated: Callable[[Callable[[], Any]], Any]
    _take_step: Callable[[], None]

    def step(self, closure: Callable[[], Any] | None = None, **closures: Any) -> Any:
        """Move every parameter that has a gradient by one step.

        `closure` computes the loss and its gradients. It is called once before, where the weights
        are, and once more for each gradient that the rule asks for, with the weights where it
        wants them; its first value is returned. The gradient of another loss than the one that is
        minimized goes by its name, `step(closure, sampled=other)`.
        """
        given = {"loss": closure, **closures}
        if closure is not None or closures or not self._is_answered:
            _check_closures(self._chain, given)
        params = [p for group in self.param_groups for p in group["params"]]
        asking = Asking(params, given, self._kept, self._put, self._evaluated)
        with self._answered_by(asking):
            return super().step(closure)  # type: ignore[misc]

    @property
    def _is_answered(self) -> bool:
        """Whether this step is the second half of one."""
        return self._asking is not None

    @contextlib.contextmanager
    def _answered_by(self, asking: Callable[[Request, About], list[Any]]) -> Iterator[None]:
        before, self._asking = self._asking, self._asking or asking
        try:
            yield
        finally:
            self._asking = before

    def first_step(self) -> None:
        """Move the weights to where the rule asks for a gradient; nothing else changes.

        The gradients that are there now are kept, and the parameters have none: compute those of
        the loss at the new weights, and call `second_step()`.
        """
        name, requests = self._chain.name, list(self._chain.requests.values())
        if [(one.kind, one.of) for one in requests] != [("gradient", "loss")]:
            asked = ", ".join(one.written for one in requests)
            raise RuntimeError(
                f"{name}: first_step() is for a rule that asks for one more gradient of the loss, "
                f"and {name} asks for {asked}"
            )
        if self._elsewhere is not None:
            raise RuntimeError(f"{name}: first_step() was called twice; call second_step()")
        with self._answered_by(_pausing):
            try:
                self._take_step()
            except _Paused as paused:
                params = [p for group in self.param_groups for p in group["params"]]
                self._elsewhere = Elsewhere(params, paused.about, self._kept, self._put)
                self._elsewhere.go()

    def second_step(self) -> None:
        """Put the weights back and take the step, with the gradients that are there now as the
        answer; afterwards the parameters have those of before `first_step()`."""
        elsewhere = self._elsewhere
        if elsewhere is None:
            raise RuntimeError(f"{self._chain.name}: second_step() comes after first_step()")
        answers = {p: p.grad for p, _ in elsewhere.about}
        elsewhere.back()
        self._elsewhere = None
        with self._answered_by(lambda _, about: [answers[p] for p, _ in about]):
            self.step()
