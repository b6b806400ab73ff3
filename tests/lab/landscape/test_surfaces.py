"""Each surface: its slopes, its minima, and the same numbers in JavaScript."""

import json

import numpy as np
import pytest

from tests.lab.landscape.node import in_node, needs_node
from thalweg.lab.landscape.surface import Surface, ground, minima_in
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.surfaces.valley import valley
from thalweg.mytorch import tensor

ALL = pytest.mark.parametrize("surface", SURFACES.values(), ids=lambda one: one.name)


def points(surface: Surface, count: int = 200) -> np.ndarray:
    x_low, x_high, y_low, y_high = surface.window
    draw = np.random.default_rng(0)
    return draw.uniform((x_low, y_low), (x_high, y_high), (count, 2))


@ALL
def test_the_slopes_are_those_that_autograd_finds(surface):
    at = points(surface)
    x, y = (tensor(one, requires_grad=True) for one in at.T.copy())
    surface.value(x, y).sum().backward()
    expected = np.stack([x.grad, y.grad], axis=-1)
    np.testing.assert_allclose(surface.gradient(at), expected, rtol=1e-9, atol=1e-9)


@ALL
def test_a_minimum_is_flat_and_lower_than_what_is_around_it(surface):
    around = 1e-3 * np.stack([np.cos(np.arange(8.0)), np.sin(np.arange(8.0))], axis=-1)
    for minimum in map(np.array, surface.minima):
        assert np.abs(surface.gradient(minimum)).max() < 1e-6 * ground(surface, 51).steepness
        assert (surface.height(minimum + around) > surface.height(minimum)).all()


@ALL
def test_the_start_and_the_minima_are_in_the_window(surface):
    low, high = np.array(surface.window).reshape(2, 2).T
    for point in (surface.start, *surface.minima):
        assert ((low < point) & (point < high)).all()


@ALL
def test_there_is_a_way_down_from_the_start(surface):
    assert np.linalg.norm(surface.gradient(np.array(surface.start))) > 1e-3


@needs_node
@ALL
def test_javascript_has_the_same_values_and_slopes(surface):
    at = points(surface)
    values, slopes = in_node(
        f"const one = {surface.formula.javascript}, at = {json.dumps(at.tolist())};",
        "[at.map(([x, y]) => one.value(x, y)), at.map(([x, y]) => one.gradient(x, y))]",
    )
    # what is added up cancels, so that the error is one of the largest term
    size = np.abs(surface.height(at)).max(), np.abs(surface.gradient(at)).max()
    np.testing.assert_allclose(values, surface.height(at), 1e-12, 1e-13 * size[0])
    np.testing.assert_allclose(slopes, surface.gradient(at), 1e-12, 1e-13 * size[1])


def test_there_are_the_twelve_that_the_field_knows():
    assert len(SURFACES) == 12
    assert [name for name, one in SURFACES.items() if one.saddle] == ["saddle", "monkey"]


def test_the_condition_is_how_much_steeper_the_valley_is_across_than_along():
    along, across = np.array([np.sqrt(3) / 2, 0.5]), np.array([-0.5, np.sqrt(3) / 2])
    for condition in (4.0, 1000.0):
        made = valley(condition)
        ratio = made.height(across) / made.height(along)
        assert ratio == pytest.approx(condition)


def test_minima_that_nobody_has_named_are_found():
    known = SURFACES["himmelblau"]
    unnamed = Surface("mine", "mine", known.value, known.window, known.start)
    found = np.array(sorted(minima_in(unnamed)))
    np.testing.assert_allclose(found, np.array(sorted(known.minima)), atol=1e-6)


def test_what_is_drawn_is_logarithmic_far_above_the_lowest_and_even_on_a_saddle():
    seen = ground(SURFACES["rosenbrock"])
    assert seen.base == 0
    ten, hundred = np.arcsinh(np.array([10, 100]) / seen.scale)
    assert hundred - ten == pytest.approx(np.log(10), rel=1e-3)
    shown = ground(SURFACES["saddle"]).shown
    np.testing.assert_allclose(shown, -shown.T, atol=1e-12)
