"""Another gradient, for rules that ask for one: at other weights, or of another loss.

A step that is given closures calls them, with the weights where the rule wants them. A loop that
has none takes the step in two: `first_step()` moves the weights there, the loop computes a
gradient, and `second_step()` puts them back and takes the step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from thalweg.border.copies import check_not_swapped
from thalweg.chain import Chain
from thalweg.text import Request

__all__ = ["Asking", "AskingSteps", "Elsewhere"]

About = Sequence[tuple[Any, Any]]


def _lacking(title: str, request: Request) -> RuntimeError:
    """What to say of a loss whose closure a step was not given."""
    name = request.of
    what = name if name == "loss" else f"{name} loss"
    how = "step(closure)" if name == "loss" else f"step(closure, {name}=closure)"
    is_in_two = name == "loss" and request.written.startswith("gradient")
    more = ", or be taken as first_step() and second_step()" if is_in_two else ""
    return RuntimeError(
        f"{title}: a step asks for the gradient of the {what} once more and must be "
        f"given a closure that computes it, {how}{more}"
    )


def _check_closures(chain: Chain, closures: Mapping[str, Any]) -> None:
    """Raise for a closure that nobody asks for, and for one that is lacking where others are
    given."""
    asked = {one.of: one for one in chain.requests.values() if one.kind != "noise"}
    for name in closures:
        if name not in asked and name != "loss":
            raise TypeError(
                f"{chain.name}: step was given a closure {name!r}, which no part asks for"
            )
    for name, request in sorted(asked.items()):
        if closures.get(name) is None and any(closures.values()):
            raise _lacking(chain.name, request)


class Asking:
    """Answers the questions of one step by calling its closures.

    `kept` makes a copy of a parameter's weights, `put` gives it others, and `evaluated` calls a
    closure with gradients on.
    """

    def __init__(
        self,
        title: str,
        params: Iterable[Any],
        closures: Mapping[str, Callable[[], Any]],
        kept: Callable[[Any], Any],
        put: Callable[[Any, Any], None],
        evaluated: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self.title, self.params, self.closures = title, list(params), closures
        self._kept, self._put, self._evaluated = kept, put, evaluated

    def prepared(self) -> None:
        """Nothing is left to be asked."""

    def __call__(self, request: Request, about: About) -> list[Any]:
        """The gradients of these parameters at these weights; the weights, and the gradients that
        were there, are put back whatever happens."""
        if self.closures.get(request.of) is None:
            raise _lacking(self.title, request)
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
        self.about, self._kept, self._put = about, kept, put
        self.home = [(p, kept(p)) for p, _ in about]
        self.grads = [(p, p.grad) for p in params]

    def go(self) -> None:
        """Put the weights where they are asked for, without gradients."""
        for p, at in self.about:
            self._put(p, at)
        for p, _ in self.grads:
            p.grad = None

    def is_home(self) -> bool:
        """Whether the weights are those of home."""
        return all(bool((self._kept(p) == weights).all()) for p, weights in self.home)

    def back(self) -> None:
        """Put weights and gradients back."""
        for p, weights in self.home:
            self._put(p, weights)
        for p, grad in self.grads:
            p.grad = grad


class _Paused(Exception):
    """A step in two has come to its question; without one, it asks nothing."""

    def __init__(self, about: About = ()) -> None:
        super().__init__()
        self.about = about


class _Pausing:
    """Stops a step where it asks, or where nothing is left to be asked."""

    def __call__(self, request: Request, about: About) -> list[Any]:
        raise _Paused(about)

    def prepared(self) -> None:
        raise _Paused


class _Answered:
    """The second half of a step: its question has been answered."""

    def __init__(self, title: str, answers: Mapping[Any, Any]) -> None:
        self.title, self.answers = title, answers

    def __call__(self, request: Request, about: About) -> list[Any]:
        if any(p not in self.answers for p, _ in about):
            raise RuntimeError(
                f"{self.title}: a parameter has a gradient now and had none in first_step(), or "
                "has joined since; take the step anew"
            )
        return [self.answers[p] for p, _ in about]

    def prepared(self) -> None:
        """Nothing is left to be asked."""


class AskingSteps:
    """The steps of an optimizer whose rule asks for another gradient."""

    param_groups: Any
    _chain: Chain
    _asking: Callable[[Request, About], list[Any]] | None
    _elsewhere: Elsewhere | None
    _swapped: str

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
        check_not_swapped(self)  # type: ignore[arg-type]
        given = {"loss": closure, **closures}
        _check_closures(self._chain, given)
        params = [p for group in self.param_groups for p in group["params"]]
        title = self._chain.name
        asking = Asking(title, params, given, self._kept, self._put, self._evaluated)
        with self._answered_by(asking):
            return super().step(closure)  # type: ignore[misc]

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
        name, asked = self._chain.name, self._chain.requests.values()
        requests = [one for one in asked if one.kind != "noise"]
        if [(one.kind, one.of) for one in requests] != [("gradient", "loss")]:
            written = ", ".join(one.written for one in requests)
            raise RuntimeError(
                f"{name}: first_step() is for a rule that asks for one more gradient of the loss, "
                f"and {name} asks for {written}"
            )
        check_not_swapped(self, "first_step()")  # type: ignore[arg-type]
        with self._answered_by(_Pausing()):
            try:
                self._take_step()
            except _Paused as paused:
                params = [p for group in self.param_groups for p in group["params"]]
                self._elsewhere = Elsewhere(params, paused.about, self._kept, self._put)
                self._swapped = "first_step()"
                self._elsewhere.go()

    def second_step(self) -> None:
        """Put the weights back and take the step, with the gradients that are there now as the
        answer; afterwards the parameters have those of before `first_step()`.

        Where the step fails, all is as it was before, for another try.
        """
        elsewhere, name = self._elsewhere, self._chain.name
        if elsewhere is None:
            raise RuntimeError(f"{name}: second_step() comes after first_step()")
        answers = {p: p.grad for p, _ in elsewhere.about}
        elsewhere.back()
        self._elsewhere, self._swapped = None, ""
        try:
            with self._answered_by(_Answered(name, answers)):
                self.step()
        except Exception:
            if elsewhere.is_home():
                elsewhere.go()
                for p, grad in answers.items():
                    p.grad = grad
                self._elsewhere, self._swapped = elsewhere, "first_step()"
            raise
