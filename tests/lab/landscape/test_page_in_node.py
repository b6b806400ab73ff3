"""The page's own computations, in Node: the same paths, scores and noise as in Python."""

import json
import re

import numpy as np
import pytest

from tests.lab.landscape.node import in_node, needs_node, script
from tests.plain import PLAIN
from thalweg.fuse.engines import javascript
from thalweg.lab.landscape import tuning
from thalweg.lab.landscape.entrants import CLASSIC, entrant
from thalweg.lab.landscape.noise import normal
from thalweg.lab.landscape.surface import ground
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.walking import path

pytestmark = needs_node

EVERY = [*CLASSIC, *(name for name in PLAIN if name not in (*CLASSIC, "SparseAdam"))]


def given(surface, budget=31):
    numbers = {
        "rates": tuning.rates(budget).tolist(),
        "away": tuning.AWAY,
        "when": tuning.WHEN,
        "room": tuning.ROOM,
    }
    about = {
        "window": surface.window,
        "saddle": surface.saddle,
        "steepness": ground(surface).steepness,
    }
    return [
        f"const TUNING = {json.dumps(numbers)};",
        f"const surface = {{...{json.dumps(about)}, ...{surface.formula.javascript}}};",
        script("walk.js"),
    ]


def rule(one):
    return f"{{step: (() => {{ {javascript(one.chain)} return step; }})()}}"


@pytest.mark.parametrize("name", EVERY)
def test_every_optimizer_takes_its_path(name):
    surface, one, lr = SURFACES["himmelblau"], entrant(name), 3e-3
    settings, start = json.dumps({**one.settings, "lr": lr}), [1.0, -1.5]
    noise = "noiseOf(surface, 0.1, 5, 100)"
    found = in_node(
        *given(surface),
        f"Array.from(walk({rule(one)}, {settings}, surface, {start}, 100, {noise}).places)",
    )
    drawn = 0.1 * ground(surface).steepness * normal(5, 100)
    expected = path(one, surface, tuple(start), lr, 100, drawn)
    # a step of Lion or Rprop turns on a sign, and nothing is near 0 with noise
    np.testing.assert_allclose(np.reshape(found, (-1, 2)), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("surface", ["beale", "saddle"])
@pytest.mark.parametrize("name", CLASSIC)
def test_the_page_chooses_the_rate_that_python_chooses(name, surface):
    made, one = SURFACES[surface], entrant(name)
    found = in_node(
        *given(made),
        f"tune({rule(one)}, {json.dumps(one.settings)}, surface, {list(made.start)}, 100)",
    )
    assert found == pytest.approx(tuning.tune(one, made, made.start, 100, 31).lr, rel=1e-12)


def test_noise_has_the_same_numbers():
    found = in_node(script("walk.js"), "Array.from(normal(4294967295, 500))")
    np.testing.assert_allclose(np.reshape(found, (-1, 2)), normal(2**32 - 1, 500), rtol=1e-12)


def test_states_are_kept_for_every_step():
    one = entrant("adam")
    found = in_node(
        *given(SURFACES["beale"]),
        f"walk({rule(one)}, {{lr: 0.1}}, surface, [0.5, -1], 7, null, true)",
    )
    assert {key: len(kept) for key, kept in found["states"].items()} == {
        "step": 7,
        "exp_avg": 14,
        "exp_avg_sq": 14,
    }
    assert len(found["gradients"]) == 14


def test_no_script_names_a_place_elsewhere():
    names = ("page.html", "page.css", "walk.js", "drawing.js", "contours.js", "relief.js")
    whole = "".join(script(name) for name in (*names, "inside.js", "main.js"))
    assert re.findall(r"https?:|\bimport\b|fetch\(|XMLHttp|url\(", whole) == []
