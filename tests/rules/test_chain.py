"""Chains: names kept apart, settings merged, and the parts run in the order they are given."""

import numpy as np
import pytest

from tests.fuse.border import Border
from tests.rules.mistakes import declare, stage
from thalweg import rules
from thalweg.chain import Chain, chain, named
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, Stage, setting, state
from thalweg.stages import Centralize, ClipValue, Decay, DecoupledDecay, Lookahead, Maximize


class Descent(Rule):
    lr: float = setting(0.5, low=0)

    @staticmethod
    def update(p, g, lr):
        p = p - lr * g
        return p


class Double(Stage):
    @staticmethod
    def update(g):
        g = 2 * g
        return g


class Increase(Stage):
    alpha: float = setting(1.0)

    @staticmethod
    def update(g, alpha):
        g = g + alpha
        return g


class Counted(Rule):
    number = state("number", per="tensor")

    @staticmethod
    def update(p, g, number):
        number = number + 1
        p = p - number * g
        return p, number


def after_one_step(made, value=1.0, grad=1.0, **settings):
    border = Border(made, (settings, [np.full(3, value)]))
    border.step([np.full(3, grad)])
    return border.params[0][0]


def test_parts_run_in_the_order_given():
    assert after_one_step(chain("A", Double, Increase, Descent)) == 1 - 0.5 * (2 * 1 + 1)
    assert after_one_step(chain("B", Increase, Double, Descent)) == 1 - 0.5 * (2 * (1 + 1))


def test_a_stage_behind_the_rule_sees_the_new_parameter():
    before = chain("Before", DecoupledDecay, Descent, weight_decay=0.5)
    behind = chain("Behind", Descent, DecoupledDecay, weight_decay=0.5)
    assert after_one_step(before) == 1 * (1 - 0.5 * 0.5) - 0.5
    assert after_one_step(behind) == (1 - 0.5) * (1 - 0.5 * 0.5)


def test_two_stages_may_use_the_same_names():
    twice = chain("Twice", Increase, named(Increase, alpha="beta"), Descent)
    assert list(twice.settings) == ["lr", "alpha", "beta"]
    assert after_one_step(twice, alpha=3.0, beta=10.0) == 1 - 0.5 * (1 + 3 + 10)


def test_two_lookaheads_keep_their_own_slow_weights():
    second = named(Lookahead, alpha="alpha2", k="k2", slow="slower_buffer")
    made = chain("Deep", Descent, Lookahead, second, k=2, alpha=0.5, k2=4, alpha2=0.25)
    border = Border(made, ({}, [np.zeros(3)]))
    p = slow = slower = 0.0
    for t in range(1, 9):
        border.step([np.ones(3)])
        p -= 0.5
        if t % 2 == 0:
            p = slow = slow + 0.5 * (p - slow)
        if t % 4 == 0:
            p = slower = slower + 0.25 * (p - slower)
        held = border.params[0][0], border.state("slow_buffer")[0], border.state("slower_buffer")[0]
        assert held == (p, slow, slower)


def test_the_rule_s_settings_come_first():
    made = chain("Mine", Centralize, rules.RAdam, Lookahead)
    assert list(made.settings) == [
        *("lr", "betas", "eps", "n_sma_threshold", "warmup_mode"),
        *("use", "conv_only", "normalize"),
        *("alpha", "k"),
    ]


def test_a_keyword_is_another_default():
    made = chain("Mine", rules.RAdam, Lookahead, lr=0.25, k=3)
    assert made.defaults["lr"] == 0.25
    assert made.defaults["k"] == 3
    assert rules.RAdam.declaration.settings["lr"].default == 1e-3


def test_a_default_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"^Mine: alpha must be >= 0 and <= 1, got 2$"):
        chain("Mine", rules.RAdam, Lookahead, alpha=2)


def test_an_unknown_default_is_refused():
    with pytest.raises(TypeError) as caught:
        chain("Mine", rules.SGD, momentun=0.9)
    assert str(caught.value) == "Mine: unknown name 'momentun'; did you mean 'momentum'?"


def test_a_collision_of_settings_names_both_parts_and_the_cure():
    with pytest.raises(TypeError) as caught:
        chain("Deep", rules.RAdam, Lookahead, Lookahead)
    assert str(caught.value) == (
        "Deep: Lookahead and Lookahead both have a setting 'alpha'; "
        'give one another name: named(Lookahead, alpha="...")'
    )


def test_two_rules_collide_in_what_they_declare_and_in_nothing_else():
    with pytest.raises(TypeError) as caught:
        chain("Both", Descent, rules.SGD)
    assert str(caught.value) == (
        "Both: Descent and SGD both have a setting 'lr'; "
        'give one another name: named(SGD, lr="...")'
    )
    assert list(chain("Both", Descent, Counted).settings) == ["lr"]


def test_a_collision_of_states_names_both_parts_and_the_cure():
    second = named(Lookahead, alpha="alpha2", k="k2")
    with pytest.raises(TypeError) as caught:
        chain("Deep", rules.RAdam, Lookahead, second)
    assert str(caught.value) == (
        "Deep: Lookahead and Lookahead both keep a state 'slow_buffer' ('slow'); "
        'give one another key: named(Lookahead, slow="...")'
    )


def test_a_collision_of_kept_numbers_names_the_cure():
    with pytest.raises(TypeError, match=r"Both: .*'number'.*named\("):
        chain("Both", Counted, Counted)


def test_kept_numbers_can_be_given_other_keys():
    made = chain("Both", Counted, named(Counted, number="number2"))
    border = Border(made, ({}, [np.zeros(3)]))
    for _ in range(3):
        border.step([np.ones(3)])
    assert border.params[0][0] == -2 * (1 + 2 + 3)
    assert border.tensors[0].cells == {"number": 3, "number2": 3}


def test_a_state_may_not_take_the_key_of_the_step_counter():
    class Bad(Rule):
        s = state("step")

        @staticmethod
        def update(g, s, t):
            s = s + g / t
            u = s
            return u, s

    with pytest.raises(TypeError, match="'step'"):
        chain("Bad", Bad)


def test_named_knows_what_it_renames():
    with pytest.raises(TypeError) as caught:
        named(Lookahead, alpa="alpha2")
    assert str(caught.value) == "named(Lookahead): unknown name 'alpa'; did you mean 'alpha'?"


def test_named_renames_what_users_and_checkpoints_see():
    part = named(Lookahead, alpha="pull", slow="slow_weights")
    made = chain("Mine", Descent, part)
    assert list(made.settings) == ["lr", "pull", "k"]
    assert [slot.key for slot in made.slots] == ["slow_weights"]
    with pytest.raises(ValueError, match=r"^Mine: pull must be >= 0 and <= 1, got 2$"):
        made.check({"pull": 2})


def test_a_signature_orders_the_constructor():
    made = chain("Mine", Decay, rules.SGD, signature="weight_decay, lr, *, momentum")
    assert made.signature.positional == ("weight_decay", "lr")
    assert made.signature.keyword_only == ("momentum",)
    assert list(made.defaults) == ["weight_decay", "lr", "momentum"]


def test_an_unknown_name_in_a_signature_is_refused():
    with pytest.raises(TypeError) as caught:
        chain("Mine", rules.SGD, signature="lr, momentun")
    assert str(caught.value) == "Mine: signature: unknown name 'momentun'; did you mean 'momentum'?"


def test_a_value_that_the_signature_leaves_out_is_fixed():
    adamw = OPTIMIZERS["AdamW"]
    assert adamw.fixed == {"decoupled_weight_decay": True}
    assert adamw.defaults["decoupled_weight_decay"] is True
    views = adamw.views({**adamw.defaults, "decoupled_weight_decay": False})
    (decay,) = [view for view in views if "weight_decay" in vars(view)]
    assert decay.decoupled_weight_decay is True


def test_a_setting_that_the_signature_leaves_out_keeps_its_default():
    made = chain("Mine", Descent, Lookahead, signature="lr")
    assert made.defaults == {"lr": 0.5}
    assert [view.k for view in made.views({}) if hasattr(view, "k")] == [6]


def test_a_setting_that_no_part_has_is_named_with_the_line_that_takes_it(tmp_path):
    Scaled = declare(stage("u = lrr * u", takes="u, lrr"), tmp_path)["Broken"]
    with pytest.raises(TypeError) as caught:
        chain("Mine", rules.SGD, Scaled)
    assert str(caught.value) == (
        "Broken.update, line 13 of mistakes.py: in Mine, no part has a setting 'lrr'; "
        "did you mean 'lr'?\n"
        "    def update(u, lrr):"
    )


# what a stage makes of another part's setting -> what that setting is
OF_ANOTHER_KIND = {
    "several numbers as one": (
        stage("u = betas * u", takes="u, betas"),
        "'betas' is 2 numbers; take them apart, `b1, b2 = betas`",
    ),
    "too many of several": (
        stage("a, b, c = betas\nu = a * u", takes="u, betas"),
        "'betas' is 2 numbers; take them apart, `b1, b2 = betas`",
    ),
    "one number taken apart": (
        stage("a, b = lr\nu = a * u", takes="u, lr"),
        "'lr' is one number",
    ),
    "text in arithmetic": (
        stage("u = warmup_mode * u", takes="u, warmup_mode"),
        "'warmup_mode' is text",
    ),
}


@pytest.mark.parametrize("what", OF_ANOTHER_KIND)
def test_a_setting_of_another_kind_is_named_with_the_line_that_takes_it(what, tmp_path):
    text, says = OF_ANOTHER_KIND[what]
    Scaled = declare(text, tmp_path)["Broken"]
    with pytest.raises(TypeError) as caught:
        chain("Mine", rules.RAdam, Scaled)
    message, _, quoted = str(caught.value).partition("\n")
    assert message == f"Broken.update, line 13 of mistakes.py: in Mine, {says}"
    assert quoted.startswith("    def update(u, ")


class Scaled(Stage):
    @staticmethod
    def update(u, lr):
        u = u * lr
        return u


def test_a_stage_takes_the_group_s_own_value_of_another_part_s_setting():
    class Step(Rule):
        lr: float = setting(0.5, low=0)

        @staticmethod
        def update(g, lr):
            u = lr * g
            return u

    made = chain("Mine", Step, Scaled)
    assert list(made.settings) == ["lr"]
    assert after_one_step(made, lr=0.25) == 1 - 0.25 * 0.25


def test_a_stage_takes_several_numbers_of_another_part_apart(tmp_path):
    class Pair(Rule):
        betas: tuple[float, float] = (0.5, 0.25)

        @staticmethod
        def update(g):
            u = g
            return u

    text = stage("b1, b2 = betas\nu = (b1 - b2) * u", takes="u, betas")
    made = chain("Mine", Pair, declare(text, tmp_path)["Broken"])
    assert after_one_step(made) == 1 - 0.25
    assert after_one_step(made, betas=(0.75, 0.25)) == 1 - 0.5


def test_a_step_is_taken_behind_the_last_part_that_has_to_do_with_it():
    made = chain("Mine", rules.SGD, Scaled, Lookahead, lr=0.5, k=1, alpha=0.5)
    assert after_one_step(made) == 1 - 0.5 * (0.5 * 0.5)


def test_a_chain_is_a_part_of_another_chain():
    inner = chain("Inner", Increase, Descent, alpha=3.0)
    outer = chain("Outer", Double, inner, named(Lookahead, alpha="pull"), k=1)
    assert [part.declared for part in outer.parts] == [Double, Increase, Descent, Lookahead]
    assert outer.defaults["alpha"] == 3.0
    assert after_one_step(outer) == 1 + 0.5 * (-0.5 * (2 * 1 + 3))


def test_an_outer_chain_keeps_the_inner_one_s_names():
    ranger = OPTIMIZERS["Ranger"]
    outer = chain("Outer", ClipValue, ranger)
    assert {"use_gc", "gc_conv_only", "gc_normalize"} <= set(outer.settings)
    assert outer.defaults["betas"] == (0.95, 0.999)


def test_a_stage_in_front_leaves_the_chain_it_is_put_before_alone():
    sgd = OPTIMIZERS["SGD"]
    longer = sgd.preceded_by(Maximize)
    assert longer.signature.positional == sgd.signature.positional
    assert longer.signature.keyword_only == (*sgd.signature.keyword_only, "maximize")
    assert "maximize" not in sgd.settings
    assert "maximize" not in sgd.defaults


def test_stages_alone_are_no_optimizer():
    with pytest.raises(TypeError, match=r"^Mine: a chain must contain a rule, got only stages$"):
        chain("Mine", Maximize, Lookahead)


@pytest.mark.parametrize("part", ["RAdam", 3, rules, Rule()], ids=lambda part: type(part).__name__)
def test_a_part_must_be_a_rule_or_a_stage(part):
    with pytest.raises(TypeError, match=r"^Mine: a part must be a Rule or a Stage, got "):
        chain("Mine", part, Descent)


def test_aliases_are_kept_for_the_border():
    made = chain("Mine", Descent, aliases={"learning_rate": "lr"})
    assert made.aliases == {"learning_rate": "lr"}
    assert made.preceded_by(Maximize).aliases == {"learning_rate": "lr"}


def test_settings_of_a_group_may_be_anything_that_is_a_number():
    (view,) = chain("Mine", rules.SGD).views({"lr": np.float32(0.5), "momentum": np.array(0.25)})
    assert (view.lr, type(view.lr)) == (0.5, float)
    assert (view.momentum, type(view.momentum)) == (0.25, float)


def test_what_a_chain_is_called():
    made = chain("Mine", Centralize, rules.RAdam)
    assert isinstance(made, Chain)
    assert repr(made) == "<Chain Mine: Centralize -> RAdam>"
    assert made.doc == rules.RAdam.__doc__


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: chain("Mine", Rule), "^Mine: a part must be a Rule or a Stage with an update"),
        (lambda: chain("Mine", Stage, rules.Adam), "^Mine: a part must be a Rule or a Stage with"),
        (lambda: chain("Mine", rules.Adam, signature=("lr",)), "^Mine: signature must be text"),
        (lambda: chain("Mine", rules.Adam, signature="lr, lr"), "^Mine: signature has 'lr' more"),
        (lambda: chain("Mine", rules.Adam, aliases=3), "^Mine: aliases must be a dict of names"),
        (lambda: named(rules.Adam, lr=3), r"^named\(Adam\): lr must be given a name, got 3"),
        (
            lambda: named(rules.Adam, lr="a b"),
            r"^named\(Adam\): lr .* that Python takes, got 'a b'",
        ),
        (lambda: named(rules.Adam, lr="class"), r"^named\(Adam\): lr .* Python takes, got 'class'"),
        (lambda: named(rules.Adam, lr="params"), "'params' is an argument of every optimizer"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_a_sentence(make, said):
    with pytest.raises(TypeError, match=said):
        make()


def test_a_setting_may_not_have_the_name_of_an_argument_of_every_optimizer():
    with pytest.raises(TypeError, match="'params' is the name of an argument of every optimizer"):

        class Mine(Rule):
            params: float = 0.1

            @staticmethod
            def update(g, params):
                u = params * g
                return u
