"""`thalweg schedule` shows what a schedule does: in the terminal, as a picture, as numbers."""

import csv
import json

import numpy as np
import pytest

from tests.lab.commands.told import thalweg, widest

pytest.importorskip("typer")

from thalweg.lab.chart import chart
from thalweg.lab.schedule import PLATE, curve_of, plate
from thalweg.mytorch.optim import lr_scheduler
from thalweg.schedules import cosine, warmup

PNG = b"\x89PNG"


def test_an_expression_is_the_schedule_that_it_says():
    (curve,) = curve_of("warmup(500) >> cosine(10_000, floor=0.1)", lr=3e-4)
    whole = warmup(500) >> cosine(10_000, floor=0.1)
    np.testing.assert_array_equal(curve.values, whole.preview(len(curve.values), 3e-4))
    assert len(curve.values) > 10_500


@pytest.mark.parametrize(
    "text",
    [
        "StepLR(30, gamma=0.1)",
        "StepLR(step_size=30)",
        "StepLR(optimizer, 30)",
        "torch.optim.lr_scheduler.StepLR(opt, step_size=30, gamma=0.1)",
    ],
)
def test_a_scheduler_may_be_written_as_in_a_program(text):
    (curve,) = curve_of(text, 95)
    np.testing.assert_allclose(curve.values[[0, 29, 30, 60, 94]], [1, 1, 0.1, 0.01, 0.001])


def test_schedulers_stand_in_each_other():
    (curve,) = curve_of("SequentialLR([ConstantLR(0.5, 4), ExponentialLR(0.5)], [4])", 7)
    np.testing.assert_allclose(curve.values, [0.5, 0.5, 0.5, 0.5, 1, 0.5, 0.25])


def test_a_function_of_the_step_may_calculate():
    (curve,) = curve_of("LambdaLR(lambda t: max(0.1, 1 - t / 10) if t > 2 else sqrt(4))", 12)
    np.testing.assert_allclose(curve.values[[0, 2, 3, 11]], [2, 2, 0.7, 0.1])


def test_each_group_has_a_curve():
    one, two = curve_of("warmup(2) >> per_group(cosine(4), constant())", 7)
    assert (one.values[6], two.values[6]) == (0, 1)


def test_the_plate_has_every_scheduler_once():
    shown = {text.partition("(")[0] for text in PLATE}
    assert shown == {*lr_scheduler.__all__} - {"LRScheduler"}
    assert len(plate()) == len(PLATE)
    assert all(np.ptp(curve.values) > 0 for curve in plate())


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("texts", [("warmup(5) >> cosine(95)",), ("StepLR(30)", "cosine(90)")])
def test_the_chart_fits_its_window(columns, texts):
    told = thalweg("schedule", *texts, columns=columns)
    assert told.code == 0
    assert widest(told.out) <= min(columns, 100)
    assert "\x1b" not in told.out


def test_under_the_c_locale_all_is_ascii(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    assert thalweg("schedule", "cosine(100)").out.isascii()
    assert thalweg("schedule", "--all").out.isascii()


@pytest.mark.parametrize("plain", [True, False])
def test_a_chart_shows_a_curve_at_its_places(plain):
    lines = chart([np.array([0.0, 0.0, 1.0, 1.0])], 30, height=3, plain=plain)
    body = [line.partition("|" if plain else "│")[2] for line in lines[:3]]
    left, right = body[2][:12], body[0].strip()
    assert left.strip()
    assert len(body[0]) - len(body[0].lstrip()) >= len(body[0].rstrip()) // 2 - 1
    assert right
    assert chart([np.array([np.nan])], 30) == ["(nothing to draw: no value is finite)"]


def test_a_flat_curve_is_drawn():
    assert any("*" in line for line in chart([np.ones(5)], 40, plain=True))


@pytest.mark.parametrize("arguments", [("cosine(9)", "linear(9)"), ("--all",)])
def test_a_picture_is_written(arguments, tmp_path):
    path = tmp_path / "curves.png"
    assert thalweg("schedule", *arguments, "--out", str(path)).out == f"Written: {path}\n"
    assert path.read_bytes()[:4] == PNG


def test_numbers_are_written_whole(tmp_path):
    path = tmp_path / "curves.csv"
    thalweg("schedule", "cosine(9)", "polynomial(9, power=2)", "--lr", "0.3", "--out", str(path))
    head, *rows = csv.reader(path.read_text().splitlines())
    assert head == ["step", "cosine(9)", "polynomial(9, power=2)"]
    found = np.array([[float(cell) for cell in row] for row in rows])
    np.testing.assert_array_equal(found[:, 1], cosine(9).preview(len(rows), 0.3))
    told = json.loads(thalweg("schedule", "cosine(9)", "--lr", "0.3", "--json").out)
    assert told[0]["values"] == found[:, 1].tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a schedule, such as 'warmup(500) >> cosine(10000)', or --all"),
        (("cosine(3)", "--all"), "give a schedule, such as"),
        (("cosin(3)",), "no schedule is called 'cosin' (did you mean cosine?)"),
        (("StepLR(30",), "'StepLR(30' is not a schedule; write one as"),
        (("StepLR()",), "StepLR: missing a required argument: 'step_size'; it takes step_size"),
        (("warmup(-1)",), "warmup: steps must be >= 0 and < inf, got -1"),
        (("1 + 1",), "1 + 1: must be a schedule or a scheduler, got 2"),
        (("__import__('os')",), "no schedule is called '__import__'"),
        (("cosine(3).factor(2)",), "'cosine(3).factor' is no part of a schedule"),
        (("LambdaLR(lambda t: 1 / t)",), "LambdaLR(lambda t: 1 / t): division by zero"),
        (("LambdaLR(lambda t: 1 / (5 - t))",), "division by zero"),
        (("exponential(0.9) >> cosine(3)",), "give it one with .lasting(steps)"),
        (("cosine(3)", "--out", "x.gif"), "--out must end in .png, .svg, .pdf, .csv, .json, .txt"),
        (("cosine(3)", "--out", "no/where.png"), "cannot write no/where.png: No such file"),
        (("cosine(3)", "--steps", "1"), "Invalid value for '--steps'"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, tuple) else "",
)
def test_what_is_no_schedule_is_said(arguments, says):
    told = thalweg("schedule", *arguments)
    assert told.code == 2
    assert says in told.err
    assert told.err.count("\n") == 1
