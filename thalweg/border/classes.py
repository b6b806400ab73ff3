"""An optimizer class of a border, made out of a rule or a chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.border.asking import AskingSteps
from thalweg.border.constructor import constructor
from thalweg.border.copies import SlowWeights
from thalweg.border.help import with_arguments
from thalweg.border.optimizer import ChainOptimizer
from thalweg.chain import Chain, chain
from thalweg.choice import BLOCKS
from thalweg.rule import Declared
from thalweg.stages import Lookahead, Maximize

__all__ = ["as_chain", "made_class"]


def as_chain(rule: type[Declared] | Chain) -> Chain:
    """A rule or a chain as every border's optimizers have it: with `maximize` in front."""
    if not isinstance(rule, Chain | type):
        raise TypeError(f"optimizer takes a rule or a chain, got {rule!r}")
    made = rule if isinstance(rule, Chain) else chain(rule.__name__, rule)
    return made if "maximize" in made.settings else made.preceded_by(Maximize)


def made_class(
    made: Chain,
    base: type[ChainOptimizer],
    module: str,
    by_position: Sequence[str] = (),
    like: type | None = None,
) -> type[Any]:
    """The class of a chain's optimizers at the border of `base`.

    `module` is where its user makes it. Of the border's own arguments those in `by_position` may
    be given so. `like` is one more base, for whoever asks `isinstance`.
    """
    has_slow_weights = any(issubclass(part.declared, Lookahead) for part in made.parts)
    asks = [AskingSteps] if any(r.kind != "noise" for r in made.requests.values()) else []
    bases = asks + [SlowWeights] * has_slow_weights + [base] + ([like] if like else [])
    is_offered = base.knows_blocks and made.choice.takes_blocks
    of_blocks = {n: one.default for n, one in BLOCKS.items()} if is_offered else {}
    arguments = {**base.arguments, **of_blocks}
    types = {**base.argument_types, **dict.fromkeys(of_blocks, int)}
    body = {
        "chain": made,
        "arguments": arguments,
        "__doc__": with_arguments(made, arguments, by_position),
        "__module__": module,
        "__qualname__": made.name,
        "__init__": constructor(made, arguments, by_position, base.__init__, types),
    }
    return type(made.name, tuple(bases), body)
