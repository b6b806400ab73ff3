"""A plan is the lines of a chain that its decisions leave: nothing else is computed or touched."""

import pytest

from tests.cases import CASES
from thalweg import rules
from thalweg.chain import chain
from thalweg.fuse.plan import plan_for
from thalweg.optimizers import OPTIMIZERS
from thalweg.reductions import norm
from thalweg.rule import Rule, Stage, setting, state
from thalweg.stages import Centralize, ClipNorm, Decay, Lookahead


def plan(made, t=1, shape=(4, 3), **settings):
    """The plan of one step of one tensor under some settings."""
    views = made.views({**made.defaults, **settings})
    return plan_for(made, made.decide(views, t, {}, shape, made.first_cells(views)).ways)


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
    assert not [line for line in undecayed.lines.elements if line.startswith("p = p * ")]


def test_an_if_on_a_string_is_decided_too():
    ranger = OPTIMIZERS["Ranger"]
    assert "0.0" in lines(plan(ranger, warmup_mode="skip").main)
    for mode in ("sgd", "skip"):
        assert "if" not in lines(plan(ranger, warmup_mode=mode).main)
        assert mode not in lines(plan(ranger, warmup_mode=mode).main)


def test_an_if_on_the_step_is_decided_before_it():
    radam = OPTIMIZERS["RAdam"]
    early, late = (plan(radam, t=t).main for t in (1, 6))
    assert "if" not in lines(early) + lines(late)
    assert "sqrt" not in lines(early)
    assert "sqrt" in lines(late)
    assert early.loads == late.loads == ("p", "g", "radam__m", "radam__v")
    assert plan(radam, t=2).main is early


def test_an_if_on_a_reduction_stays_a_branch():
    class Scaled(Rule):
        @staticmethod
        def update(g):
            size, u = norm(g), g
            if size > 10:
                u = g / size
            return u

    main = plan(chain("Scaled", Scaled)).main
    (test,) = [line for line in main.lines.uniform if "scaled__size > 10.0" in line]
    assert f"if {test.split()[0]}:" in main.lines.elements


def test_what_is_known_before_the_step_is_worked_out_once_and_in_double():
    adam = OPTIMIZERS["Adam"]
    numbers = adam.decide(adam.views({"lr": 0.1, "betas": (0.9, 0.99)}), 3, {}, (), {}).numbers
    assert 1 - 0.99 in numbers.values()
    assert 0.1 / (1 - 0.9**3) in numbers.values()
    assert set(plan(adam).main.numbers) <= set(numbers)


def test_uniform_arithmetic_is_done_once_and_in_double():
    class Averaged(Rule):
        @staticmethod
        def update(g):
            size = norm(g)
            u = (1 - size) * g + (1 - size) * g * g + size
            return u

    main = plan(chain("Averaged", Averaged)).main
    computed = dict(line.split(" = ") for line in main.lines.uniform)
    assert [t.replace("1.0", "1") for t in computed.values()].count("1 - averaged__size") == 1
    computed = {name: text for name, text in computed.items() if name.startswith(("C", "U"))}
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


def test_reductions_that_nothing_uses_are_not_taken():
    ranger = OPTIMIZERS["Ranger"]
    named = [row.name for row in plan(ranger).main.rows]
    assert named == ["centralize__mean1"]
    both = [row.name for row in plan(ranger, gc_normalize=True).main.rows]
    assert both == ["centralize__mean1", "centralize__mean2", "centralize__norm1"]
    assert plan(ranger, use_gc=False).main.rows == ()
    assert plan(ranger, shape=(5,)).main.rows == ()
    assert plan(ranger, gc_conv_only=True).main.rows == ()
    assert plan(ranger, gc_conv_only=True, shape=(4, 3, 2, 2)).main.rows != ()


def test_a_norm_of_everything_is_a_pass_of_its_own():
    clipped = plan(chain("Clipped", Decay, ClipNorm, rules.SGD))
    (first,) = clipped.reductions
    assert [one.over for one in first.results] == ["all"]
    assert (first.loads, first.stores) == (("g",), ())
    assert clipped.main.numbers.count("clipnorm__norm1") == 1


def test_a_reduction_runs_what_comes_before_it_and_no_more():
    made = chain("Clipped", Decay, Centralize, ClipNorm, rules.RAdam, Lookahead)
    (first,) = plan(made, weight_decay=0.1).reductions
    assert first.loads == ("p", "g")
    assert [row.name for row in first.rows] == ["centralize__mean1"]
    assert "radam" not in lines(first)
    (plain,) = plan(made, shape=(5,)).reductions
    assert (plain.loads, plain.rows) == (("g",), ())


def test_reductions_come_in_the_order_they_need_each_other():
    class Normalized(Stage):
        @staticmethod
        def update(g):
            g = g / norm(g)
            return g

    made = plan(chain("Both", ClipNorm, Normalized, rules.SGD))
    names = [one.name for work in made.reductions for one in work.results]
    assert names == ["clipnorm__norm1", "normalized__norm1"]  # and each only once
    assert made.reductions[1].numbers == ("clipnorm__max_norm", "clipnorm__norm1")


def test_the_same_decisions_give_the_same_plan():
    adam = OPTIMIZERS["Adam"]
    assert plan(adam, t=1, lr=0.1) is plan(adam, t=9, lr=0.2, shape=(7,))
    assert plan(adam) is not plan(adam, amsgrad=True)


def test_an_if_may_ask_for_settings_step_and_shape():
    class Late(Rule):
        lr: float = setting(0.1, low=0)
        from_step: int = setting(3, low=1)

        @staticmethod
        def update(p, g, t, ndim, lr, from_step):
            if t >= from_step and ndim == 2:
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
