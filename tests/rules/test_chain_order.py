"""A part that changes the gradient where nothing reads it any more is refused."""

import pytest

from thalweg import rules, stages
from thalweg.chain import chain, named
from thalweg.optimizers import OPTIMIZERS
from thalweg.reductions import norm
from thalweg.rule import Rule, Stage, setting
from thalweg.stages import Centralize, ClipNorm, ClipValue, Decay, DecoupledDecay, Lookahead


class Noise(Stage):
    """Changes both streams."""

    @staticmethod
    def update(p, g):
        g = g + 1
        p = p + g
        return p, g


class Doubled(Stage):
    """Changes g under one of three choices."""

    how: str = setting("no", choices=("no", "twice", "thrice"))

    @staticmethod
    def update(g, how):
        if how == "twice":
            g = 2 * g
        elif how == "thrice":
            g = 3 * g
        return g


class Shrink(Rule):
    """A rule that takes no gradient."""

    @staticmethod
    def update(p):
        p = 0.5 * p
        return p


class Measured(Stage):
    """Reads g for its norm alone, and moves p by it."""

    @staticmethod
    def update(p, g):
        p = p * norm(g)
        return p


class Shortened(Stage):
    """Reshapes the step."""

    @staticmethod
    def update(u):
        u = 0.5 * u
        return u


class Moved(Rule):
    """A rule that moves p by itself, and yields no step."""

    @staticmethod
    def update(p, g):
        p = p - g
        return p


SGD = rules.SGD
REFUSED = {
    "clipping by value": ((SGD, ClipValue), "ClipValue", "ClipValue, SGD"),
    "clipping by norm": ((SGD, ClipNorm), "ClipNorm", "ClipNorm, SGD"),
    "centralizing": ((SGD, Centralize), "Centralize", "Centralize, SGD"),
    "decay in the gradient": ((SGD, Decay), "Decay", "Decay, SGD"),
    "maximizing": ((SGD, stages.Maximize), "Maximize", "Maximize, SGD"),
    "a choice": ((SGD, Doubled), "Doubled", "Doubled, SGD"),
    "before another stage": ((SGD, ClipNorm, Lookahead), "ClipNorm", "ClipNorm, SGD, Lookahead"),
    "behind another stage": ((SGD, Lookahead, ClipNorm), "ClipNorm", "ClipNorm, SGD, Lookahead"),
    "two of them": ((SGD, Centralize, ClipNorm), "Centralize", "Centralize, ClipNorm, SGD"),
    "among others": (
        (ClipValue, SGD, Centralize, Lookahead),
        "Centralize",
        "Centralize, ClipValue, SGD, Lookahead",
    ),
    "under other names": (
        (SGD, named(ClipValue, clip_value="most")),
        "ClipValue",
        "ClipValue, SGD",
    ),
    "in a chain of a chain": (
        (OPTIMIZERS["Adam"], ClipValue),
        "ClipValue",
        "ClipValue, Decay, Adam",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_part_behind_the_rule_that_changes_the_gradient_alone_is_refused(what):
    parts, culprit, order = REFUSED[what]
    with pytest.raises(TypeError) as caught:
        chain("Mine", *parts)
    says = f"Mine: {culprit} changes the gradient, which no part behind it reads; write "
    assert str(caught.value) == f'{says}chain("Mine", {order})'


def test_where_no_part_reads_the_gradient_there_is_nothing_to_write():
    with pytest.raises(TypeError, match=r"^Mine: ClipValue changes .* no part behind it reads$"):
        chain("Mine", ClipValue, Shrink)


WITHOUT_A_STEP = {
    "in front of the rule": ((Shortened, SGD), '; write chain("Mine", SGD, Shortened)'),
    "in front of it and of others": (
        (ClipValue, Shortened, SGD, Lookahead),
        '; write chain("Mine", ClipValue, SGD, Shortened, Lookahead)',
    ),
    "behind a rule that yields none": (
        (Moved, Shortened),
        ": Moved writes p itself; Shortened needs a rule that returns u",
    ),
    "in front of such a rule": (
        (Shortened, Moved),
        ": Moved writes p itself; Shortened needs a rule that returns u",
    ),
}


@pytest.mark.parametrize("what", WITHOUT_A_STEP)
def test_a_part_that_takes_a_step_needs_a_rule_in_front_that_yields_one(what):
    parts, hint = WITHOUT_A_STEP[what]
    with pytest.raises(TypeError) as caught:
        chain("Mine", *parts)
    says = "Mine: Shortened takes the step u, which no part in front of it yields"
    assert str(caught.value) == says + hint


def test_a_trust_ratio_around_ftrl_is_refused_by_name():
    with pytest.raises(TypeError) as caught:
        chain("Mine", rules.FTRL, stages.TrustRatio)
    assert str(caught.value) == (
        "Mine: TrustRatio takes the step u, which no part in front of it yields: "
        "FTRL writes p itself; TrustRatio needs a rule that returns u"
    )


ACCEPTED = {
    "in front": (ClipNorm, Centralize, Decay, SGD),
    "decay of the weights behind the rule": (SGD, DecoupledDecay),
    "what changes the weights as well": (SGD, Noise),
    "what another stage reads": (SGD, ClipValue, Noise),
    "what is read for its norm": (SGD, ClipValue, Measured),
    "between two rules": (SGD, ClipValue, named(rules.Rprop, lr="size")),
    "what reshapes the step": (SGD, Shortened, Lookahead),
    "weights followed behind the rule": (SGD, Lookahead, stages.ExponentialAverage),
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_what_somebody_reads_is_accepted(what):
    made = chain("Mine", *ACCEPTED[what])
    assert made.parts[0].declared is ACCEPTED[what][0]
    made.check({})


def test_decay_may_stand_behind_the_rule_where_it_is_decoupled():
    made = chain("Mine", SGD, Decay, decoupled_weight_decay=True)
    assert made.defaults["decoupled_weight_decay"] is True


def test_a_group_may_not_switch_it_to_the_gradient_either():
    made = chain("Mine", SGD, named(DecoupledDecay, decoupled_weight_decay="apart"))
    made.check({"apart": True})
    with pytest.raises(ValueError, match="Mine: with these settings DecoupledDecay changes the gr"):
        made.check({"apart": False})
