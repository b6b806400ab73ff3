"""The three functions of an optimizer in JAX: its first states, a step, the weights to look at."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from thalweg.chain import Chain, Part
from thalweg.fuse.jax.leaves import Leaf, abreast
from thalweg.fuse.jax.running import MISSING, Run
from thalweg.fuse.jax.settings import Settings
from thalweg.fuse.jax.states import first_states, leaves_of, states_of
from thalweg.fuse.jax.trees import Tree
from thalweg.reading import plain_text
from thalweg.source import Source

__all__ = ["evaluate", "init", "step"]

Values = Mapping[str, Any]


def init(chain: Chain, params: Any, settings: Values | None = None) -> dict[str, Any]:
    """The states of an optimizer before its first step: a dict that JAX takes apart as a tree.

    `params` is a tree of arrays. Under the keys of torch's state_dict stand trees like it, of one
    array or one number for each of its arrays, or one number where there is one for all; "step"
    counts the steps. A state is there if the settings, such as momentum=0.9, let the text come to
    it. A setting that is an array of JAX may be anything: all that it might ask for is there.

    Raises TypeError or ValueError for settings that the chain does not take, and for parameters
    that are no floating-point arrays.
    """
    _check_passes(chain)
    return first_states(chain, Settings(chain, settings), Tree(chain.name, params))


def step(chain: Chain, settings: Values | None = None) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """A step of an optimizer as a pure function: `take(params, grads, states, settings=None)`
    gives the new params and states.

    Call it wherever JAX traces: under `jit`, `grad`, `vmap`, `scan`. Settings that are plain
    numbers, text or truths are decided by Python and belong to the compiled function; those given
    here hold wherever a call gives no others. One that is an array, as the arguments of a jitted
    function are, may be another at each call, and nothing is compiled anew; nor is it for the step
    count, which is among the states. Of an `if` on what is traced one side is run, and only that
    side has a derivative.

    Elements are computed in their array's type, float16 and bfloat16 in float32, and keep it;
    numbers of the step are doubles under `jax_enable_x64`. What is reduced over "all" is reduced
    over all arrays of params.

    Raises TypeError or ValueError for settings, trees, shapes and states that do not fit.
    """
    _check_passes(chain)
    Settings(chain, settings, is_all=False)  # refused here, and not at the first call
    ends = chain.steps_after([()] * len(chain.parts))

    def take(
        params: Any, grads: Any, states: Values, more: Values | None = None
    ) -> tuple[Any, dict[str, Any]]:
        h, tree = Settings(chain, settings, more), Tree(chain.name, params)
        of_leaves = tree.arrays("grads", grads)
        t = _count(states) + 1
        leaves = leaves_of(chain, tree, of_leaves, states, t)
        for i, (part, view) in enumerate(zip(chain.parts, h.views, strict=True)):
            order = [one.name for one in part.declared.text.reduced]
            abreast([leaf.run(part, view) for leaf in leaves], order)
            if i in ends:
                for leaf in leaves:
                    leaf.take_step()
        pairs = zip(leaves, tree.leaves, strict=True)
        weights = [leaf.streams["p"].astype(p.dtype) for leaf, p in pairs]
        return tree.of(weights), {**states_of(chain, tree, leaves, states), "step": t}

    return take


def evaluate(chain: Chain, params: Any, states: Values, settings: Values | None = None) -> Any:
    """The weights to look at: Lookahead's slow ones, an average, Schedule-Free's x; before the
    first step, and where a chain declares none, `params`.

    `settings` are those of the steps. Raises as `step` does.
    """
    h, tree = Settings(chain, settings), Tree(chain.name, params)
    t = _count(states)
    leaves = leaves_of(chain, tree, [None] * len(tree.leaves), states, t)
    found = []
    for leaf, p in zip(leaves, tree.leaves, strict=True):
        for i in chain.evaluates:
            _look(leaf, chain.parts[i], h.views[i])
        found.append(jnp.where(t > 0, leaf.streams["p"].astype(p.dtype), p))
    return tree.of(found)


def _check_passes(chain: Chain) -> None:
    """Raise TypeError for a chain that is more than passes over elements."""
    if chain.on_matrices or chain.requests:
        raise TypeError(
            f"{chain.name}: the JAX engine takes passes over elements alone, and its text works on "
            "whole matrices, on rows and columns, or asks for another gradient"
        )


def _count(states: Values) -> Any:
    """How many steps there were: a plain number is Python's, as a setting is."""
    count = states.get("step", 0)
    return count if isinstance(count, int) else jnp.asarray(count)


def _look(leaf: Leaf, part: Part, h: Any) -> None:
    """The weights of a leaf as one part says that they are to be looked at."""
    assert part.declared.evaluate is not None
    source = Source.of(part.declared.evaluate, f"{part.declared.__name__}.evaluate")
    table = leaf.table(part, h)
    given = {name: table[name] for name in source.arguments}
    if any(value is MISSING for value in given.values()):
        return
    result = ast.Assign([ast.Name("evaluated", ast.Store())], source.result)
    ast.fix_missing_locations(ast.copy_location(result, source.result))
    body = plain_text(replace(source, body=[*source.body, result]))
    run = Run(source, {}, given, leaf.shape)
    for _ in run.block(body):
        raise AssertionError("nothing is reduced in it")
    leaf.set_weights(run.table["evaluated"])
