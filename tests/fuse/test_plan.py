"""A plan is the lines of a chain that its switches leave: nothing else is computed or touched."""

import pytest

from tests.cases import CASES
from thalweg import rules
from thalweg.chain import chain
from thalweg.fuse.plan import plan_for
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, Stage, measure, setting, state, switch
from thalweg.stages import Centralize, ClipNorm, Decay, Lookahead


def plan(made, t=1, shape=(4, 3), **settings):
    """The plan of one step of one tensor under some settings."""
    views = made.views({**made.defaults, **settings})
    return plan_for(made, made.static(views, t, shape))


def lines(work):
    return "\n".join([*work.lines.uniform, *work.lines.elements])


def test_only_what_a_step_reads_is_loaded_and_only_what_it_changes_is_stored():
    main = plan(OPTIMIZERS["SGD"]).main
    assert (main.loads, main.stores) == (("p", "g"), ("p",))
    main = plan(OPTIMIZERS["SGD"], momentum=0.9).main
    assert (main.loads, main.stores) == (("p", "g", "sgd__b"), ("p", "sgd__b"))


@pytest.mark.parametrize("t", [5, 6])
@pytest.mark.parametrize("one", CASES, ids=str)
def test_the_gradient_is_never_stored(one, t):
    main = plan(one.chain, t, **one.settings).main
    assert "g" in main.loads
    assert "g" not in main.stores
    assert "p" in main.stores


def test_slow_weights_are_touched_on_sync_steps_only():
    ranger = OPTIMIZERS["Ranger"]
    assert "lookahead__slow" not in plan(ranger, t=5).main.streams
    synced = plan(ranger, t=6).main
    assert "lookahead__slow" in synced.loads
    assert "lookahead__slow" in synced.stores


def test_amsgrad_s_array_is_touched_with_amsgrad_only():
    adam = OPTIMIZERS["Adam"]
    assert "adam__vmax" not in plan(adam).main.streams
    assert "adam__vmax" in plan(adam, amsgrad=True).main.stores


def test_switches_leave_no_trace():
    adamw = plan(OPTIMIZERS["AdamW"], weight_decay=0.1).main
    assert "if" not in lines(adamw)
    assert "decoupled" not in lines(adamw)
    assert "amsgrad" not in lines(adamw)
    assert adamw.lines.elements[0].startswith("p = p * ")
    undecayed = plan(OPTIMIZERS["AdamW"], weight_decay=0.0).main
    assert undecayed.lines.elements[0].startswith("adam__m = ")


def test_a_string_switch_is_folded_too():
    ranger = OPTIMIZERS["Ranger"]
    assert "else" in lines(plan(ranger).main)
    skipping = plan(ranger, warmup_mode="skip").main
    assert "skip" not in lines(skipping)
    assert "else" not in lines(skipping)


def test_an_if_on_a_number_stays_a_branch():
    main = plan(OPTIMIZERS["RAdam"]).main
    (test,) = [line for line in main.lines.uniform if "radam__r > 0" in line]
    assert f"if {test.split()[0]}:" in main.lines.elements


def test_uniform_arithmetic_is_done_once_and_in_double():
    main = plan(OPTIMIZERS["Adam"]).main
    computed = dict(line.split(" = ") for line in main.lines.uniform)
    assert "1 - adam__b2" in {text.replace("1.0", "1") for text in computed.values()}
    rounded = {double for _, double in main.lines.rounded}
    tests = {name for name in computed if name.startswith("C")}
    assert rounded == set(computed) - tests  # each is rounded once, before the loop
    inside = "\n".join(main.lines.elements)
    for name in main.numbers:
        assert name not in inside  # the loop sees rounded numbers alone


def test_a_uniform_subexpression_is_computed_once():
    main = plan(OPTIMIZERS["SGD"], momentum=0.9, nesterov=True).main
    texts = [line.split(" = ")[1] for line in main.lines.uniform]
    assert len(texts) == len(set(texts))


def test_measures_that_nothing_uses_are_not_taken():
    ranger = OPTIMIZERS["Ranger"]
    named = [row.name for row in plan(ranger).main.rows]
    assert named == ["centralize__mean"]
    both = [row.name for row in plan(ranger, gc_normalize=True).main.rows]
    assert both == ["centralize__mean", "centralize__rest", "centralize__norm"]
    assert plan(ranger, use_gc=False).main.rows == ()
    assert plan(ranger, shape=(5,)).main.rows == ()
    assert plan(ranger, gc_conv_only=True).main.rows == ()
    assert plan(ranger, gc_conv_only=True, shape=(4, 3, 2, 2)).main.rows != ()


def test_a_norm_of_everything_is_a_pass_of_its_own():
    clipped = plan(chain("Clipped", Decay, ClipNorm, rules.SGD))
    (first,) = clipped.reductions
    assert first.result is not None
    assert (first.loads, first.stores) == (("g",), ())
    assert clipped.main.numbers.count("clipnorm__total") == 1


def test_a_reduction_runs_what_comes_before_it_and_no_more():
    made = chain("Clipped", Decay, Centralize, ClipNorm, rules.RAdam, Lookahead)
    (first,) = plan(made, weight_decay=0.1).reductions
    assert first.loads == ("p", "g")
    assert [row.name for row in first.rows] == ["centralize__mean"]
    assert "radam" not in lines(first)
    (plain,) = plan(made, shape=(5,)).reductions
    assert (plain.loads, plain.rows) == (("g",), ())


def test_reductions_come_in_the_order_they_need_each_other():
    class Normalized(Stage):
        @measure("tensor", "norm")
        def size(g):
            return g

        @staticmethod
        def update(g, size):
            g = g / size
            return g

    made = plan(chain("Both", ClipNorm, Normalized, rules.SGD))
    names = [work.result.name for work in made.reductions if work.result]
    assert names == ["clipnorm__total", "normalized__size"]  # and each only once
    assert made.reductions[1].numbers == ("clipnorm__max_norm", "clipnorm__total")


def test_the_same_switches_give_the_same_plan():
    adam = OPTIMIZERS["Adam"]
    assert plan(adam, t=1, lr=0.1) is plan(adam, t=9, lr=0.2, shape=(7,))
    assert plan(adam) is not plan(adam, amsgrad=True)


def test_a_switch_may_ask_for_settings_step_and_shape():
    class Late(Rule):
        lr: float = setting(0.1, low=0)
        from_step: int = setting(3, low=1)

        @switch
        def late(h, t, shape):
            return t >= h.from_step and len(shape) == 2

        @staticmethod
        def update(p, g, lr, late):
            if late:
                p = p - lr * g
            return p

    made = chain("Late", Late)
    assert plan(made, t=3).main.loads == ("p", "g")
    assert plan(made, t=2).main.stores == plan(made, t=3, shape=(5,)).main.stores
    assert plan(made, t=2).main.stores == ()


def test_what_a_part_assigns_for_itself_is_not_seen_by_the_next():
    class Own(Rule):
        @staticmethod
        def update(p, g):
            g = g + p
            p = p - g
            return p

    class Average(Stage):
        e = state("ema")

        @staticmethod
        def update(g, e):
            e = 0.9 * e + 0.1 * g
            return e

    elements = plan(chain("Own", Own, Average)).main.lines.elements
    assert elements[:2] == ("own__g = g", "own__g = own__g + p")
    assert elements[-1].endswith("* g")
