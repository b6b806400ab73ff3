"""The three functions of an optimizer in JAX: its first states, a step, the weights to look at."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from thalweg.chain import Chain, Part
from thalweg.fuse.jax.asking import Answering, check_gradients
from thalweg.fuse.jax.leaves import Leaf, abreast
from thalweg.fuse.jax.running import MISSING, Run
from thalweg.fuse.jax.settings import Settings
from thalweg.fuse.jax.states import first_states, leaves_of, states_of
from thalweg.fuse.jax.trees import Tree
from thalweg.reading import plain_text
from thalweg.source import Source
from thalweg.text import Text

__all__ = ["evaluate", "init", "step"]

Values = Mapping[str, Any]


def init(chain: Chain, params: Any, settings: Values | None = None) -> dict[str, Any]:
    """The states of an optimizer before its first step: a dict that JAX takes apart as a tree.

    `params` is a tree of arrays. Under the keys of torch's state_dict stand trees like it, of one
    array or one number for each of its arrays, None for one that has no such state; or one number
    where there is one for all; "step" counts the steps. A state is there if the settings, such as
    momentum=0.9, let the text come to it. A setting that is an array of JAX may be anything: all
    that it might ask for is there.

    Raises TypeError or ValueError for settings that the chain does not take, and for parameters
    that are no floating-point arrays.
    """
    return first_states(chain, Settings(chain, settings), Tree(chain.name, params))


def step(chain: Chain, settings: Values | None = None) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """A step of an optimizer as a pure function: `take(params, grads, states, settings=None,
    **gradients)` gives the new params and states.

    Call it wherever JAX traces: under `jit`, `grad`, `vmap`, `scan`. Settings that are plain
    numbers, text or truths are decided by Python and belong to the compiled function; those given
    here hold wherever a call gives no others. One that is an array, as the arguments of a jitted
    function are, may be another at each call, and nothing is compiled anew; nor is it for the step
    count, which is among the states. Of an `if` on what is traced one side is run, and only that
    side has a derivative.

    A rule that asks for another gradient, or for the curvature, is given a function of params for
    each loss that it names: `take(params, grads, states, loss=jax.grad(loss))`.

    Elements are computed in their array's type, float16 and bfloat16 in float32, and keep it;
    numbers of the step are doubles under `jax_enable_x64`. What is reduced over "all" is reduced
    over all arrays of params.

    Raises TypeError or ValueError for settings, trees, shapes and states that do not fit.
    """
    Settings(chain, settings, is_all=False)  # refused here, and not at the first call

    def take(
        params: Any,
        grads: Any,
        states: Values,
        more: Values | None = None,
        **gradients: Callable[[Any], Any],
    ) -> tuple[Any, dict[str, Any]]:
        check_gradients(chain, gradients)
        h, tree = Settings(chain, settings, more), Tree(chain.name, params)
        of_leaves = tree.arrays("grads", grads)
        t = _count(states) + 1
        leaves = leaves_of(chain, h, tree, states, t)
        for leaf, g in zip(leaves, of_leaves, strict=True):
            leaf.streams["g"] = leaf.unfolded(g)
        answering = Answering(chain, tree, leaves, gradients)
        for i, part in enumerate(chain.parts):
            there = {leaf.place: leaf for leaf in leaves if leaf.goes_through(i)}
            runs = {k: leaf.run(i, part) for k, leaf in there.items()}
            abreast(runs, _order(chain, part), functools.partial(answering, part))
            for leaf in there.values():
                if i in chain.steps_after(leaf.views):
                    leaf.take_step()
        pairs = zip(leaves, tree.leaves, strict=True)
        weights = [_as_given(leaf, p) for leaf, p in pairs]
        return tree.of(weights), {**states_of(chain, tree, leaves, states), "step": t}

    return take


def _order(chain: Chain, part: Part) -> list[str]:
    """What a part's text asks of all leaves, by its own names, as it comes to it."""
    mark = part.qualified("")
    return [one.removeprefix(mark) for one in chain.asked_of_all if one.startswith(mark)]


def _as_given(leaf: Leaf, p: Any) -> Any:
    """The weights as they were given."""
    return leaf.streams["p"].astype(p.dtype).reshape(p.shape)


def evaluate(chain: Chain, params: Any, states: Values, settings: Values | None = None) -> Any:
    """The weights to look at: Lookahead's slow ones, an average, Schedule-Free's x; before the
    first step, and where a chain declares none, `params`.

    `settings` are those of the steps. Raises as `step` does.
    """
    h, tree = Settings(chain, settings), Tree(chain.name, params)
    t = _count(states)
    leaves = leaves_of(chain, h, tree, states, t)
    found = []
    for leaf, p in zip(leaves, tree.leaves, strict=True):
        for i in chain.evaluates:
            if leaf.goes_through(i):
                _look(leaf, i, chain.parts[i])
        found.append(jnp.where(t > 0, _as_given(leaf, p), p))
    return tree.of(found)


def _count(states: Values) -> Any:
    """How many steps there were: a plain number is Python's, as a setting is."""
    count = states.get("step", 0)
    return count if isinstance(count, int) else jnp.asarray(count)


def _look(leaf: Leaf, i: int, part: Part) -> None:
    """The weights of a leaf as one part says that they are to be looked at."""
    assert part.declared.evaluate is not None
    source = Source.of(part.declared.evaluate, f"{part.declared.__name__}.evaluate")
    table = leaf.table(i, part)
    given = {name: table[name] for name in source.arguments}
    if any(value is MISSING for value in given.values()):
        return
    result = ast.Assign([ast.Name("evaluated", ast.Store())], source.result)
    ast.fix_missing_locations(ast.copy_location(result, source.result))
    body = plain_text(replace(source, body=[*source.body, result]))
    run = Run(source, Text(source, body), given, leaf)
    for _ in run.block(body):
        raise AssertionError("nothing is reduced in it")
    leaf.set_weights(run.table["evaluated"])
