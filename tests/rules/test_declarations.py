"""What a rule or a stage may declare, and what is refused when its class body ends."""

import pytest

from tests.rules.mistakes import declare
from thalweg.rule import Rule, Stage, measure, setting, state
from thalweg.stages import Decay, DecoupledDecay

IN_A_CLASS = {
    "no update": (
        "class Broken(Rule):\n    lr: float = 0.1",
        "Broken declares no update(p, g, ...)",
    ),
    "a state called p": (
        'class Broken(Rule):\n    p = state("parameter")\n    def update(p, g): return p',
        "Broken: 'p' is the name of a stream; choose another",
    ),
    "a setting called g": (
        "class Broken(Rule):\n    g: float = 1.0\n    def update(p, g): return p",
        "Broken: 'g' is the name of a stream; choose another",
    ),
    "a measure over an unknown scope": (
        'class Broken(Rule):\n    @measure("rows", "mean")\n    def m(g): return g',
        "measure: unknown name 'rows'; did you mean 'row'?",
    ),
    "a measure with an unknown reduction": (
        'class Broken(Rule):\n    @measure("row", "median")\n    def m(g): return g',
        "measure: unknown name 'median'; did you mean 'mean'?",
    ),
    "a scalar state that `scalars` forgets": (
        """
        class Broken(Rule):
            mu = scalar_state("mu_product", start=1.0)
            def scalars(mu): return dict(next_mu=0.9 * mu)
            def update(p, g, next_mu):
                p = p - next_mu * g
                return p
        """,
        "Broken.scalars must return the scalar state 'mu'",
    ),
    "an unknown argument of `scalars`": (
        """
        class Broken(Rule):
            mu = scalar_state("mu_product", start=1.0)
            def scalars(h, muu): return dict(mu=muu)
            def update(p, g): return p
        """,
        "Broken.scalars: unknown name 'muu'; did you mean 'mu'?",
    ),
    "an unknown argument of a switch": (
        "class Broken(Rule):\n    @switch\n    def wide(h, shap): return len(shap) > 1",
        "switch wide: unknown name 'shap'; did you mean 'shape'?",
    ),
    "`when=` that names nothing": (
        """
        class Broken(Rule):
            heavy: bool = False
            b = state("momentum_buffer", when="heavvy")
            def update(p, g, b):
                p = p - g
                return p, b
        """,
        "Broken.b: when= names a switch; unknown name 'heavvy'; did you mean 'heavy'?",
    ),
    "`when=` that changes from step to step": (
        """
        class Broken(Rule):
            b = state("momentum_buffer", when="late")
            @switch
            def late(h, t): return t > 3
            def update(p, g, b):
                p = p - g
                return p, b
        """,
        "Broken.b: when='late' must depend on the settings alone, not on h, t",
    ),
}


@pytest.mark.parametrize("mistake", IN_A_CLASS)
def test_a_mistake_outside_of_update_is_named_as_well(mistake, tmp_path):
    text, says = IN_A_CLASS[mistake]
    with pytest.raises(TypeError) as caught:
        declare(text, tmp_path)
    assert str(caught.value) == says


NAMES_THE_CULPRIT = {
    "a state that update neither takes nor returns": (
        'class Broken(Rule):\n    m = state("exp_avg")\n    def update(p, g): return p',
        "'m'",
    ),
    "a scalar with the name of a state": (
        """
        class Broken(Rule):
            m = state("exp_avg")
            def scalars(h): return dict(m=1.0)
            def update(p, g, m):
                m = m + g
                return p, m
        """,
        "'m'",
    ),
    "a scalar with the name of a stream": (
        """
        class Broken(Rule):
            def scalars(h): return dict(g=1.0)
            def update(p, g):
                p = p - g
                return p
        """,
        "'g'",
    ),
    "a measure that uses one declared below it": (
        """
        class Broken(Rule):
            @measure("row", "norm")
            def size(g, mean):
                return g - mean
            @measure("row", "mean")
            def mean(g):
                return g
            def update(p, g, size):
                p = p - g / size
                return p
        """,
        "'mean'",
    ),
    "a measure that uses itself": (
        """
        class Broken(Rule):
            @measure("tensor", "norm")
            def size(g, size):
                return g / size
            def update(p, g, size):
                p = p - g / size
                return p
        """,
        "'size'",
    ),
    "a measure that is a lambda": (
        """
        class Broken(Rule):
            size = measure("row", "norm")(lambda g: g)
            def update(p, g, size):
                p = p - g / size
                return p
        """,
        "size",
    ),
}


@pytest.mark.parametrize("mistake", NAMES_THE_CULPRIT)
def test_a_declaration_that_could_not_work_is_refused(mistake, tmp_path):
    text, culprit = NAMES_THE_CULPRIT[mistake]
    with pytest.raises(TypeError, match=f"Broken.*{culprit}"):
        declare(text, tmp_path)


def test_what_a_declaration_collects():
    class Whole(Rule):
        lr: float = setting(0.1, low=0)
        nesterov: bool = False
        m = state("exp_avg")

        @measure("tensor", "norm")
        def size(g):
            return g

        @staticmethod
        def update(p, g, m, lr, size, nesterov):
            m = g / size
            p = p - lr * (m + g) if nesterov else p - lr * m
            return p, m

    d = Whole.declaration
    assert list(d.settings) == ["lr", "nesterov"]
    assert list(d.states) == ["m"]
    assert list(d.measures) == ["size"]
    assert d.static == ["nesterov"]
    assert d.numbers == ["lr"]


def test_a_rule_has_the_settings_that_it_declares_and_no_others():
    class Bare(Rule):
        @staticmethod
        def update(p, g):
            p = p - g
            return p

    assert Bare.declaration.settings == {}


def test_a_stage_need_not_return_what_it_only_reads():
    class Average(Stage):
        e = state("ema")

        @staticmethod
        def update(p, e):
            e = 0.9 * e + 0.1 * p
            return e

    assert list(Average.declaration.states) == ["e"]


def test_a_subclass_keeps_what_it_does_not_declare_again():
    assert DecoupledDecay.update is Decay.update
    assert DecoupledDecay.declaration.settings["decoupled_weight_decay"].default is True
    assert Decay.declaration.settings["decoupled_weight_decay"].default is False
    same = DecoupledDecay.declaration.settings["weight_decay"]
    assert same == Decay.declaration.settings["weight_decay"]
