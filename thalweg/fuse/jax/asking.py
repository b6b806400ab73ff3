"""What texts ask for beside arithmetic: another gradient, the curvature, numbers at random."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from thalweg.chain import Chain, Part
from thalweg.fuse.jax.leaves import Leaf
from thalweg.fuse.jax.running import Asked
from thalweg.fuse.jax.trees import Tree
from thalweg.fuse.jax.words import is_decided, truth
from thalweg.source import unknown
from thalweg.stages import Maximize
from thalweg.text import Request

__all__ = ["Answering", "Gradients", "check_gradients"]

# by the name of each loss a function of the parameters that gives its gradients
Gradients = Mapping[str, Callable[[Any], Any]]


def check_gradients(chain: Chain, gradients: Gradients) -> None:
    """Raise TypeError where a loss is missing that the texts ask for, or is not asked for."""
    asked = {one.of: one for one in chain.requests.values() if one.kind != "noise"}
    for of, one in asked.items():
        if of not in gradients:
            raise TypeError(
                f"{chain.name}: its text asks for {one.written}; give the step a function that "
                f"gives these gradients, take(params, grads, states, {of}=jax.grad(...))"
            )
        if not callable(gradients[of]):
            raise TypeError(
                f"{chain.name}: {of} must be a function of params, got {gradients[of]!r}"
            )
    for of in gradients:
        if of not in asked:
            raise TypeError(f"{chain.name}: the gradients of a loss: {unknown(of, [*asked])}")


class Answering:
    """Answers what is asked of all leaves at once, with the functions that the step was given."""

    def __init__(self, chain: Chain, tree: Tree, leaves: Sequence[Leaf], of: Gradients) -> None:
        self._chain, self._tree, self._leaves, self._of = chain, tree, leaves, of
        self._first = [leaf.streams["p"] for leaf in leaves]

    def __call__(self, part: Part, asked: Mapping[int, Asked]) -> dict[int, Any]:
        """The answer for each leaf that asks; the others' weights are where the step began."""
        request = self._chain.requests[part.qualified(next(iter(asked.values())).name)]
        holds = functools.reduce(
            lambda a, b: truth(a) | truth(b), [o.holds for o in asked.values()]
        )
        ask = functools.partial(self._gradients, request, asked)
        if is_decided(holds):
            found = ask()
        else:  # nobody may come to it in this step: then nothing is computed
            found = lax.cond(holds, ask, lambda: [jnp.zeros_like(p) for p in self._first])
        return {i: self._turned(i, part, found[i]) for i in asked}

    def _gradients(self, request: Request, asked: Mapping[int, Asked]) -> list[Any]:
        tree, of = self._tree, self._of[request.of]
        told = [asked[i].value if i in asked else None for i in range(len(self._leaves))]
        if request.kind == "curvature":
            along = [0 * p if d is None else d for p, d in zip(self._first, told, strict=True)]
            weights = self._as_given(self._first), self._as_given(along)
            _, found = jax.jvp(of, weights[:1], weights[1:])
        else:
            pairs = zip(self._first, told, strict=True)
            found = of(self._as_given([p if at is None else at for p, at in pairs]))
        arrays = tree.arrays(f"what {request.of} gives", found)
        return [
            x.astype(p.dtype).reshape(p.shape) for x, p in zip(arrays, self._first, strict=True)
        ]

    def _as_given(self, values: Sequence[Any]) -> Any:
        """A tree like the parameters', of values as they stand in a text."""
        pairs = zip(values, self._tree.leaves, strict=True)
        return self._tree.of([x.astype(p.dtype).reshape(p.shape) for x, p in pairs])

    def _turned(self, i: int, asking: Part, found: Any) -> Any:
        """What is maximized is minus the loss of a text, whose gradients are turned in front."""
        for part, h in zip(self._chain.parts, self._leaves[i].views, strict=True):
            if part is asking:
                return found
            if part.declared is Maximize:
                found = jnp.where(truth(h.maximize), -found, found)
        raise AssertionError("a part that is none of the chain's")
