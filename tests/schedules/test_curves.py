"""The values of each curve: at its ends and corners, of numbers and of arrays."""

import math
import subprocess
import sys

import numpy as np
import pytest

from thalweg import schedules
from thalweg.schedules import (
    constant,
    cooldown,
    cosine,
    cosine_restarts,
    cosine_wave,
    cyclic,
    exponential,
    flat_cosine,
    inverse_sqrt,
    linear,
    multistep,
    one_cycle,
    per_group,
    polynomial,
    step_decay,
    warmup,
    warmup_stable_decay,
)
from thalweg.schedules.schedule import lasting

# curve: {step: value}
VALUES = {
    constant(): {0: 1, 10**9: 1},
    constant(0.5): {0: 0.5, 7: 0.5},
    cooldown(16): {0: 1, 1: 0.75, 4: 0.5, 9: 0.25, 16: 0, 99: 0},
    cooldown(10, floor=0.2, shape="linear"): {0: 1, 5: 0.6, 10: 0.2, 11: 0.2},
    cooldown(10, shape="cos"): {0: 1, 5: 0.5, 10: 0, 20: 0},
    cooldown(0, floor=0.2): {0: 0.2},
    cosine(10): {0: 1, 5: 0.5, 10: 0, 11: 0, 20: 0},
    cosine(10, floor=0.1): {0: 1, 5: 0.55, 10: 0.1, 10**6: 0.1},
    cosine(1): {0: 1, 1: 0, 2: 0},
    cosine(0): {0: 0, 1: 0},
    cosine(3, floor=1.0): {0: 1, 2: 1, 9: 1},
    cosine_restarts(4): {0: 1, 2: 0.5, 3: (1 - math.sqrt(0.5)) / 2, 4: 1, 8: 1, 10: 0.5},
    cosine_restarts(2, growth=3): {0: 1, 1: 0.5, 2: 1, 5: 0.5, 8: 1, 17: 0.5, 26: 1},
    cosine_restarts(1, growth=3): {0: 1, 1: 1, 4: 1, 13: 1, 40: 1, 121: 1},
    cosine_restarts(4, floor=0.5): {0: 1, 2: 0.75, 4: 1},
    cosine_wave(10): {0: 1, 5: 0.5, 10: 0, 15: 0.5, 20: 1, 30: 0},
    cyclic(2, low=0.2): {0: 0.2, 1: 0.6, 2: 1, 3: 0.6, 4: 0.2, 5: 0.6},
    cyclic(1, 3, low=0.0, shrink=0.5): {0: 0, 1: 1, 2: 2 / 3, 4: 0, 5: 0.5, 9: 0.25},
    exponential(0.5): {0: 1, 1: 0.5, 10: 2.0**-10, 2000: 0},
    exponential(0.0): {0: 1, 1: 0, 2: 0},
    flat_cosine(100): {0: 1, 71: 1, 72: 1, 86: 0.5, 100: 0, 101: 0},
    flat_cosine(100, flat=1.0): {0: 1, 99: 1, 100: 0},
    flat_cosine(100, flat=0.0, floor=0.1): {0: 1, 50: 0.55, 100: 0.1},
    inverse_sqrt(4): {0: 1, 12: 0.5, 60: 0.25},
    linear(4): {0: 1, 1: 0.75, 4: 0, 5: 0},
    linear(5, 1 / 3, 1.0): {0: 1 / 3, 5: 1, 6: 1},
    linear(1, 0.5, 2.0): {0: 0.5, 1: 2, 2: 2},
    linear(0, 0.5, 2.0): {0: 2, 1: 2},
    multistep([5, 2, 5], gamma=0.5): {0: 1, 1: 1, 2: 0.5, 4: 0.5, 5: 0.125, 99: 0.125},
    multistep([0]): {0: 0.1, 1: 0.1},
    multistep([]): {0: 1, 9: 1},
    one_cycle(11, rise=0.5, start=0.2, end=0.1): {0: 0.2, 4.5: 1, 10: 0.1, 11: 0.1, 99: 0.1},
    one_cycle(20, rise=0.3, start=0.2, end=0.0, three_phase=True): {0: 0.2, 5: 1, 10: 0.2, 19: 0},
    one_cycle(1): {0: 4e-6, 5: 4e-6},
    one_cycle(10, rise=0.1): {0: 1, 9: 4e-6},  # a first phase of one step
    one_cycle(10, rise=1.0, shape="linear"): {0: 0.04, 9: 1, 10: 1},
    polynomial(10): {0: 1, 5: 0.5, 10: 0, 11: 0},
    polynomial(10, 2.0): {0: 1, 5: 0.25, 10: 0},
    polynomial(4, 0.5, floor=0.2): {0: 1, 3: 0.6, 4: 0.2, 9: 0.2},
    polynomial(10, 0): {0: 1, 10: 1, 11: 1},
    polynomial(0): {0: 0},
    step_decay(3): {0: 1, 2: 1, 3: 0.1, 5: 0.1, 6: 0.01},
    step_decay(1, 0.5): {0: 1, 1: 0.5, 2: 0.25},
    warmup(4): {0: 0, 1: 0.25, 3: 0.75, 4: 1, 5: 1},
    warmup(4, start=0.5): {0: 0.5, 2: 0.75, 4: 1},
    warmup(0): {0: 1, 1: 1},
    warmup(2.5): {0: 0, 1: 0.4, 2: 0.8, 3: 1},
    warmup_stable_decay(2, 3, 4): {0: 0, 1: 0.5, 2: 1, 5: 1, 6: 0.5, 9: 0, 10: 0},
    warmup_stable_decay(0, 0, 4, floor=0.2, shape="linear"): {0: 1, 2: 0.6, 4: 0.2, 5: 0.2},
    warmup(2) >> cosine(4, floor=0.1): {0: 0, 1: 0.5, 2: 1, 4: 0.55, 6: 0.1, 7: 0.1},
    warmup(0) >> cosine(4): {0: 1, 2: 0.5, 4: 0},
    warmup(2) >> constant(steps=0) >> linear(2): {2: 1, 3: 0.5, 4: 0},
    warmup(2) >> (linear(2) >> constant(0.5)): {1: 0.5, 2: 1, 3: 0.5, 4: 0.5, 9: 0.5},
    warmup(4) * exponential(0.5): {0: 0, 1: 0.125, 4: 1 / 16, 5: 1 / 32},
    0.5 * cosine(4): {0: 0.5, 2: 0.25, 4: 0},
    cosine(4) * 2: {0: 2, 2: 1, 4: 0},
    exponential(0.5).lasting(2): {0: 1, 1: 0.5, 2: 0.25, 3: 0.25},
    exponential(0.5).lasting(2) >> cosine(4): {0: 1, 1: 0.5, 2: 1, 4: 0.5},
    warmup(2) >> 0.5 * linear(2) * linear(4): {2: 0.5, 3: 0.5 * 0.5 * 0.75, 4: 0, 9: 0},
}
each = pytest.mark.parametrize("curve", VALUES, ids=repr)


@each
def test_its_values(curve):
    for t, want in VALUES[curve].items():
        assert curve(t) == pytest.approx(want, rel=1e-12, abs=1e-15)


@each
def test_a_number_gives_a_float_and_an_array_the_same_numbers(curve):
    steps = np.arange(60).reshape(3, 20)
    values = curve(steps)
    assert values.shape == steps.shape
    assert values.dtype == np.float64
    assert all(
        type(curve(t)) is float for t in (0, 3, 2.5, np.int64(3), np.float32(3), np.array(3))
    )
    # NumPy's cosine and the C library's may differ in the last place
    assert values.ravel().tolist() == pytest.approx([curve(t) for t in range(60)], abs=1e-15)
    assert curve(range(3)).tolist() == curve([0, 1, 2]).tolist() == values.ravel()[:3].tolist()
    assert curve(np.array([], dtype=int)).shape == (0,)


@each
def test_past_its_end_it_keeps_its_last_value(curve):
    if math.isinf(curve.duration):
        pytest.skip("it has no end")
    end = curve.duration
    later = math.ceil(end) + np.arange(5)
    assert set(curve(later).tolist()) == {curve(later[0])}
    assert curve(end) == pytest.approx(curve(10**7), abs=1e-15)


@each
def test_its_ratio_takes_one_value_to_the_next(curve):
    for t in range(1, 40):
        before, now, ratio = curve(t - 1), curve(t), curve.ratio(float(t))
        if before == 0 and now > 0:
            assert math.isinf(ratio)
        else:
            assert before * ratio == pytest.approx(now, rel=1e-13)


def test_a_ratio_is_right_where_the_values_are_too_small_for_a_double():
    assert exponential(0.5)(5000.0) == 0
    assert exponential(0.5).ratio(5000.0) == 0.5
    assert step_decay(10, 0.01).ratio(5000.0) == 0.01
    assert step_decay(10, 0.01).ratio(5001.0) == 1


@each
def test_it_can_be_asked_for_values_and_shown_before_it_runs(curve):
    assert curve.lr_at(3, 0.1) == 0.1 * curve(3)
    assert curve.preview(20).tolist() == curve(np.arange(20)).tolist()
    assert curve.preview(20, lr=0.1).tolist() == (0.1 * curve(np.arange(20))).tolist()
    assert curve.preview(0).shape == (0,)


@each
def test_it_is_written_as_it_is_made(curve):
    written = eval(repr(curve), {"inf": math.inf, **vars(schedules)})
    assert repr(written) == repr(curve)
    assert written(np.arange(30)).tolist() == curve(np.arange(30)).tolist()


def test_every_curve_is_tried():
    made = {type(curve).__name__ for curve in VALUES} | {"per_group", "PerGroup", "Schedule"}
    by_function = {"warmup", "flat_cosine", "warmup_stable_decay"}
    assert made >= set(schedules.__all__) - by_function


def test_an_operation_takes_schedules_and_numbers_only():
    for wrong in (lambda: cosine(3) >> 2, lambda: cosine(3) * "2", lambda: np.ones(2) * cosine(3)):
        with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
            wrong()
    assert (np.float64(0.5) * cosine(4))(2) == (cosine(4) * np.float64(0.5))(2) == 0.25


def test_only_what_ends_can_be_followed():
    with pytest.raises(
        ValueError, match=r"sequence: first must be a schedule with an end, got expo"
    ):
        exponential(0.9) >> cosine(3)
    for endless in (constant(), inverse_sqrt(3), cosine_wave(3), cyclic(3), cosine_restarts(3)):
        assert math.isinf(endless.duration)
        assert (0.5 * endless).duration == math.inf
        assert endless.lasting(4).duration == 4
    assert (2 * cosine(4)).duration == 4
    assert (constant() * 2).duration == math.inf
    assert (linear(3) * cosine(4)).duration == 4


class TestPerGroup:
    curves = (cosine(4), constant())

    def test_it_has_a_value_for_each_group(self):
        schedule = per_group(*self.curves)
        assert schedule(2) == (0.5, 1.0)
        assert schedule(np.arange(5)).tolist() == [[c(t) for c in self.curves] for t in range(5)]
        assert schedule.lr_at(2, 0.1) == (0.05, 0.1)
        assert schedule.lr_at(np.arange(2), 0.1).shape == (2, 2)
        assert schedule.preview(5, 0.1).tolist() == (0.1 * schedule(np.arange(5))).tolist()

    def test_what_is_done_to_it_is_done_to_each(self):
        schedule = warmup(2) >> per_group(*self.curves)
        assert schedule(1) == (0.5, 0.5)
        assert schedule(4) == (0.5, 1.0)
        assert (schedule * 2)(4) == (2 * schedule)(4) == (1.0, 2.0)
        assert (cosine(4) * per_group(*self.curves))(2) == (0.25, 0.5)
        assert (per_group(*self.curves) * cosine(4))(2) == (0.25, 0.5)
        assert (schedule.lasting(4) >> linear(2))(5) == (0.5, 0.5)
        assert (per_group(warmup(2), warmup(4)) >> per_group(*self.curves))(4) == (0.5, 1.0)

    def test_sides_of_different_length_do_not_go_together(self):
        with pytest.raises(ValueError, match="per_group: schedules must be as many on both sides"):
            per_group(cosine(3)) * per_group(*self.curves)

    def test_it_holds_schedules_and_at_least_one(self):
        with pytest.raises(
            TypeError, match=r"per_group: schedules\[1\] must be a schedule, got 0.5"
        ):
            per_group(cosine(3), 0.5)
        with pytest.raises(ValueError, match="per_group: schedules must be one or more, got none"):
            per_group()


# what a range refuses, beside numbers outside its bounds
UNFIT = ["3", None, [1], math.nan]


def arguments_with_ranges():
    """Each declared argument of each curve, with values that its range excludes."""
    examples = {type(curve): curve for curve in VALUES}
    for cls, example in examples.items():
        for field in cls.__dataclass_fields__.values():
            if "allowed" not in field.metadata:
                continue
            allowed = field.metadata["allowed"]
            outside = [
                *(value for value in UNFIT if value is not None or field.default is not None),
                *([allowed.low - 1] if allowed.low is not None else []),
                *([allowed.above] if allowed.above is not None else []),
                *([allowed.high + 0.5] if allowed.high is not None else []),
                *([allowed.below] if allowed.below is not None else []),
            ]
            for value in outside:
                yield pytest.param(
                    example, field.name, value, id=f"{cls.__name__}-{field.name}={value}"
                )


@pytest.mark.parametrize(("example", "name", "value"), list(arguments_with_ranges()))
def test_an_argument_outside_its_range_is_told(example, name, value):
    given = {key: getattr(example, key) for key in type(example).__dataclass_fields__}
    with pytest.raises((ValueError, TypeError)) as told:
        type(example)(**{**given, name: value})
    assert str(told.value).startswith(f"{type(example).__name__}: {name} must be ")
    assert str(told.value).endswith(f", got {value!r}")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: warmup(-1), "warmup: steps must be >= 0 and < inf, got -1"),
        (lambda: warmup(3, start=-1), "warmup: start must be >= 0 and < inf, got -1"),
        (lambda: flat_cosine(-1), "flat_cosine: steps must be >= 0 and < inf, got -1"),
        (lambda: flat_cosine(9, flat=1.5), "flat_cosine: flat must be >= 0 and <= 1, got 1.5"),
        (lambda: warmup_stable_decay(1, -1, 1), "warmup_stable_decay: stable must be >= 0"),
        (lambda: warmup_stable_decay(1, 1, 1, shape="x"), "warmup_stable_decay: shape must be one"),
        (lambda: multistep(3), "multistep: milestones must be several numbers, got 3"),
        (lambda: multistep([1, -1]), r"multistep: milestones\[1\] must be >= 0, got -1"),
        (lambda: cosine(3)(-1), r"cosine\(steps=3, floor=0.0\): t must be >= 0, got -1"),
        (lambda: cosine(3)(np.array([1, math.nan])), r"t must be >= 0, got array\(\[ 1., nan\]\)"),
        (lambda: cosine(3)("soon"), "t must be a number or an array, got 'soon'"),
        (lambda: cosine(3).preview(-1), "preview: steps must be >= 0, got -1"),
        (lambda: exponential(0.9).plot(), "plot needs steps, since this schedule has no end"),
    ],
)
def test_a_call_that_cannot_be_is_told(make, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        make()


def test_a_schedule_is_plotted_with_its_name():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    schedule = warmup(5) >> cosine(20)
    axes = schedule.plot(lr=0.1)
    per_group(constant(0.5), lasting(exponential(0.9), 10)).plot(12, axes=axes)
    first, *rest = axes.get_lines()
    assert first.get_label() == repr(schedule)
    assert first.get_ydata().tolist() == schedule.preview(len(first.get_xdata()), 0.1).tolist()
    assert len(first.get_xdata()) > schedule.duration
    assert [len(line.get_xdata()) for line in rest] == [12, 12]
    plt.close("all")


LONG = warmup(500) >> cosine(10_000, floor=0.1)
SEVERAL = [LONG, warmup(5) >> cosine(9000), warmup(900) >> constant(steps=5000) >> cosine(99)]


@pytest.mark.parametrize("schedules", [[LONG], SEVERAL[:2], SEVERAL], ids=len)
def test_what_is_plotted_is_said_above_the_axes_and_inside_the_figure(schedules):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    axes = None
    for schedule in schedules:
        axes = schedule.plot(axes=axes)
    axes.figure.canvas.draw()
    frame, whole = axes.get_window_extent(), axes.figure.bbox
    said = axes.get_legend() or axes._left_title
    place = said.get_window_extent()
    assert place.y0 >= frame.y1
    assert whole.x0 <= place.x0
    assert place.x1 <= whole.x1
    assert place.y1 <= whole.y1
    shown = said.get_texts() if axes.get_legend() else [said]
    assert [text.get_text().replace("\n", " ") for text in shown] == list(map(repr, schedules))
    assert (axes.get_title(loc="left") == "") is (len(schedules) > 1)
    plt.close("all")


def test_a_title_of_ones_own_stays():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    _, axes = plt.subplots()
    axes.set_title("mine", loc="left")
    LONG.plot(axes=axes)
    assert axes.get_title(loc="left") == "mine"
    plt.close("all")


def test_the_picture_is_saved_as_the_docstring_says(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    LONG.plot().figure.savefig(tmp_path / "schedule.png")
    assert (tmp_path / "schedule.png").stat().st_size > 1000
    plt.close("all")


@pytest.mark.parametrize("call", ["schedule.plot()", "per_group(schedule).plot()"])
def test_without_matplotlib_a_sentence_says_what_to_install(call):
    program = f"""
import sys
sys.modules["matplotlib"] = None
from thalweg.schedules import cosine, per_group
schedule = cosine(9)
try:
    {call}
except ImportError as error:
    print(error)
"""
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert said == (
        "cosine(steps=9, floor=0.0): plot needs matplotlib, which is not installed: "
        "pip install 'thalweg[lab]'\n"
    )
