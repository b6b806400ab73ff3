"""What the terminal says, in windows of any width, and of what cannot be on a page."""

import io

import numpy as np
import pytest
from rich.console import Console

from thalweg.lab.landscape.choosing import chosen_surface
from thalweg.lab.landscape.entrants import entrants
from thalweg.lab.landscape.making import Work
from thalweg.lab.landscape.page import page_text
from thalweg.lab.landscape.race import Plan, race, run_each
from thalweg.lab.landscape.report import print_report
from thalweg.lab.landscape.surfaces import SURFACES


@pytest.fixture(scope="module")
def work():
    booth = SURFACES["booth"]
    chosen = entrants(["sgd", "ranger(k=3, alpha=0.25)"], ["sgd=100"])
    made = Work(booth, chosen, Plan(booth.start, 200, 5, noise=0.1, seed=4))
    for _ in run_each(made.race, chosen):
        pass
    return made


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_nothing_is_broken_or_cut(work, width):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_report(console, work)
    said = console.file.getvalue()
    assert max(map(len, said.splitlines())) <= width
    for word in ("diverged", "Ranger(k=3,", "lr of SGD: given.", "seed 4"):
        assert word in " ".join(said.split())


def test_what_the_page_cannot_compute_has_no_page(tmp_path):
    (tmp_path / "own.py").write_text(
        "def steps(x, y):\n    for _ in range(3):\n        x = x / 2 + y\n    return x**2 + y**2\n"
    )
    surface = chosen_surface(f"{tmp_path / 'own.py'}:steps")
    found = race(surface, entrants(["adam"]), Plan(surface.start, 60))
    assert page_text(found) == (
        "",
        ["no landscape.html: steps is not an expression in x and y that the page could compute"],
    )
    assert found.runs[0].values[-1] < 0.1 < found.runs[0].values[0]  # by central differences


def test_a_function_of_plain_numbers_is_taken_too(tmp_path):
    (tmp_path / "own.py").write_text(
        "import math\n\ndef waves(x, y):\n    return math.cos(x) + (y if y > 0 else -y)\n"
    )
    surface = chosen_surface(f"{tmp_path / 'own.py'}:waves")
    assert surface.height(np.array([[0.0, 2.0], [0.0, -1.0]])).tolist() == [3.0, 2.0]
    assert surface.gradient(np.array([np.pi / 2, -1.0])) == pytest.approx([-1.0, -1.0])
    text, lacking = page_text(race(surface, entrants(["adam"]), Plan(surface.start, 20)))
    assert "Math.cos(x)" in text
    assert lacking == []
