"""`thalweg landscape` as a user runs it: what it writes, says, and refuses."""

import io
import itertools
import json
import math
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.lab import nursery
from tests.lab.conftest import Outcome, environment, run_thalweg
from thalweg.lab import main
from thalweg.lab.landscape.choosing import chosen_surface
from thalweg.lab.landscape.entrants import CLASSIC, entrants
from thalweg.lab.landscape.making import Work
from thalweg.lab.landscape.race import Plan, race, run_each
from thalweg.lab.landscape.report import print_report

MINE = """
from thalweg.rule import Rule, setting, state


class Mine(Rule):
    lr: float = setting(0.1, low=0)
    drag: float = setting(0.2, low=0, below=1)
    m = state("velocity")

    @staticmethod
    def update(g, m, lr, drag):
        m = (1 - drag) * m + g
        u = lr * m
        return u, m
"""
BOWL = "def bowl(x, y):\n    return (x - 1) ** 2 + 4 * (y + 0.5) ** 2\n"
FILES = {
    *("results.json", "contour.png", "contour.gif", "saddle.gif", "basins.png"),
    "landscape.html",
}


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Outcome:
    """A user's rule beside one of ours, on a user's surface."""
    place = tmp_path_factory.mktemp("own")
    (place / "mine.py").write_text(MINE)
    (place / "bowls.py").write_text(BOWL)
    words = ("landscape", "mine.py:Mine(drag=0.3)", "adam", "--surface", "bowls.py:bowl")
    more = ("--steps", "40", "--budget", "7", "--name", "own")
    return run_thalweg(*words, *more, cwd=place, folder=place / "runs" / "own")


@pytest.mark.slow
def test_all_is_written_and_said(own):
    assert (own.code, own.stderr) == (0, "")
    assert {path.name for path in own.folder.iterdir()} == FILES
    said = " ".join(own.stdout.split())
    assert "bowl, 40 steps from (-2.25, -1.8)" in said
    assert "Mine(drag=0.3)" in said
    assert "lr: of 7 from 0.0001 to 10, log-uniform" in said
    assert "\x1b" not in own.stdout
    assert max(map(len, own.stdout.splitlines())) <= 80


@pytest.mark.slow
def test_the_results_are_those_of_the_library(own):
    found = own.results["races"][0]
    assert found["minima"] == [[pytest.approx(1), pytest.approx(-0.5)]]
    surface = chosen_surface(f"{own.folder.parents[1] / 'bowls.py'}:bowl")
    (run,) = race(surface, entrants(["adam"]), Plan(surface.start, 40, 7)).runs
    adam = found["optimizers"]["Adam"]
    assert adam["places"] == run.places.tolist()
    assert [math.inf if s is None else s for s in adam["scores"]] == list(run.tuned.scores)
    assert (adam["lr"], own.results["complete"]) == (run.tuned.lr, True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["contour.gif", "saddle.gif"])
def test_a_film_is_small_and_smooth(own, name):
    path = own.folder / name
    assert path.stat().st_size < 5e6
    with Image.open(path) as film:
        assert film.n_frames > 60
        assert film.info["duration"] <= 50
        shown = []
        for frame in (0, film.n_frames // 2, film.n_frames - 1):
            film.seek(frame)
            shown.append(np.asarray(film.convert("RGB"), float))
    differ = [float(np.abs(a - b).mean()) for a, b in itertools.pairwise(shown)]
    assert all(0 < one < 20 for one in differ)  # something moves, and the ground stays


@pytest.mark.slow
def test_a_film_has_the_colours_of_its_optimizers(own):
    with Image.open(own.folder / "contour.gif") as film:
        film.seek(film.n_frames - 1)
        seen = np.asarray(film.convert("RGB")).reshape(-1, 3)
    adam = np.array([0x00, 0x9E, 0x73])
    assert (np.abs(seen.astype(int) - adam).max(axis=1) <= 1).sum() > 50


@pytest.mark.slow
def test_the_page_holds_the_user_s_rule_and_asks_for_nothing(own):
    page = (own.folder / "landscape.html").read_text()
    assert "function step(S, h, p, g, shape = [p.length]) {  // Mine\n" in page
    assert "default-src 'none'" in page
    assert [word for word in ("http://", "https://", "src=", "@import") if word in page] == []


@pytest.mark.slow
def test_json_is_printed_alone_and_the_seed_decides_the_noise(tmp_path):
    words = ("landscape", "sgd", "--lr", "0.01", "--noise", "0.5", "--steps", "10", "--seed", "3")
    done = run_thalweg(*words, "--json", "--out", "o", cwd=tmp_path, folder=tmp_path / "o")
    printed = json.loads(done.stdout)
    assert printed == done.results
    found = printed["races"][0]["optimizers"]["SGD"]
    assert found["lr_given"] is True
    surface, one = chosen_surface("beale"), entrants(["sgd"], ["0.01"])
    plans = [Plan(surface.start, 10, noise=0.5, seed=seed) for seed in (3, 3, 4)]
    same, again, other = (race(surface, one, plan).runs[0].places.tolist() for plan in plans)
    assert found["places"] == same == again != other


@pytest.mark.slow
def test_without_arguments_it_makes_the_classic_pictures(tmp_path):
    done = run_thalweg("landscape", "--out", "o", cwd=tmp_path, folder=tmp_path / "o")
    assert done.code == 0
    assert {path.name for path in done.folder.iterdir()} == FILES
    races = done.results["races"]
    assert [one["surface"] for one in races] == ["beale", "saddle"]
    assert [list(one["optimizers"]) for one in races] == [list(CLASSIC)] * 2


@pytest.mark.slow
def test_the_terminal_may_be_narrow(tmp_path):
    words = ("landscape", "ranger(k=3)", "--lr", "0.001", "--steps", "10", "--surface", "booth")
    asked = {**environment(), "COLUMNS": "40", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = nursery.run([*words, "--out", "o"], tmp_path, asked)
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 40
    assert "Ranger(k=3)" in done.out
    assert "?" not in done.out


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_what_is_said_fits_its_window(columns):
    surface = chosen_surface("booth")
    work = Work(surface, entrants(["ranger(k=3)", "momentum"]), Plan(surface.start, 10, 3, 0.1))
    for _ in run_each(work.race, work.entrants):
        pass
    console = Console(width=columns, file=io.StringIO())
    print_report(console, work)
    said = console.file.getvalue()
    assert max(map(len, said.splitlines())) <= columns
    for word in ("Ranger(k=3)", "momentum", "noise 0.1 with seed 0", "log-uniform"):
        assert word in " ".join(said.split())


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(tmp_path):
    program = """
import signal
import thalweg.lab.landscape.race as race
from thalweg.lab import main

tuned, tune = [], race.tune

def once(*arguments):
    if tuned:
        signal.raise_signal(signal.SIGINT)
    tuned.append(1)
    return tune(*arguments)

race.tune = once
main()
"""
    words = ("landscape", "sgd", "adam", "radam", "--out", "kept")
    kept = Outcome(*nursery.run(words, tmp_path, environment(), program), tmp_path / "kept")
    assert (kept.code, kept.stderr) == (128 + signal.SIGINT, "")
    assert kept.results["complete"] is False
    assert list(kept.results["races"][0]["optimizers"]) == ["SGD", "Adam"]
    assert {path.name for path in kept.folder.iterdir()} == {"results.json", "contour.png"}


@pytest.mark.slow
def test_a_full_disk_is_said_and_leaves_no_half_a_file(tmp_path):
    program = """
import resource, signal
import thalweg.lab.landscape.making as making
from thalweg.lab import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
main()
"""
    words = ("landscape", "sgd", "--lr", "0.01", "--out", "full")
    done = nursery.run(words, tmp_path, environment(), program)
    assert done == (2, "", "thalweg: cannot write to full: File too large\n")
    assert list((tmp_path / "full").iterdir()) == []


REFUSED = [
    (["adma"], "no optimizer is called 'adma' (did you mean Adam?)"),
    (["muon"], "Muon cannot take part: it moves matrices only"),
    (["SparseAdam"], "SparseAdam cannot take part: it is for the sparse gradients"),
    (["adam(beta=1)"], "Adam has no setting 'beta' (did you mean betas?); it has lr, betas"),
    (["adam(betas=(2, 0.9))"], "Adam: betas[0] must be >= 0 and < 1, got 2"),
    (["adam(0.1)"], "adam(0.1): settings must be NAME=VALUE with commas between"),
    (["adam(lr=1e-3..1e-1)"], "adam(lr=1e-3..1e-1): a setting is one value here"),
    (["sgd(nesterov=True)"], "sgd(nesterov=True): SGD: "),
    (["adam(lr=-1)"], "Adam: lr must be a number above 0, got -1"),
    (["adam", "--lr", "sgd=0.1"], "--lr sgd=0.1: SGD is not among Adam"),
    (["--lr", "fast"], "--lr: lr must be a number above 0, got 'fast'"),
    (["--surface", "bale"], "no surface is called 'bale' (did you mean beale?)"),
    (
        ["--surface", "none.py:f"],
        "none.py:f: there is no file none.py; a surface is a function such",
    ),
    (["--start", "1"], "--start must be 2 numbers with commas, got '1'"),
    (["--start", "nan,1"], "--start must be 2 numbers with commas, got 'nan,1'"),
    (["--window", "1,0,0,1"], "--window must be X,X,Y,Y, each pair rising"),
    (["--noise", "inf"], "--noise must be a finite number, got inf"),
    (["--surface", "styblinski-tang"], "no surface is called 'styblinski-tang' (did you mean sty"),
    (["--condition", "5"], "--condition is for the surface valley, and this is beale"),
    (["--surface", "valley", "--condition", "0"], "--condition must be a number from 1 on, got 0"),
    (["--surface", "saddle", "--start", "0,1"], "--start must lie on the ridge of the saddle"),
    (["--name", "a/b"], "--name must be one plain name, got 'a/b'"),
    (["--out", "taken"], "cannot write to taken: a file is in the way"),
]


def refusal(arguments, monkeypatch, capsys) -> str:
    monkeypatch.setattr(sys, "argv", ["thalweg", "landscape", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("thalweg: ")


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED, ids=[" ".join(a) for a, _ in REFUSED])
def test_what_cannot_be_done_is_one_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("")
    assert refusal(arguments, monkeypatch, capsys).startswith(sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


OWN = [
    ("raise RuntimeError('no')", "--surface", "RuntimeError: no"),
    ("def f(x, y:", "--surface", "does not import: line 1: SyntaxError"),
    (
        "def g(x, y): return x",
        "--surface",
        "own.py has no 'f'; it has g; a surface is a function such as `def bowl(x, y)",
    ),
    ("f = 3", "--surface", "must be a function such as `def bowl(x, y)"),
    ("def f(x): return x", "--surface", "f() takes 1 positional argument but 2 were given"),
    ("def f(x, y): return 'low'", "--surface", "must give a number"),
    ("def f(x, y): return None", "--surface", "must give a number"),
    ("def f(x, y): return float('nan')", "--surface", "must give a number"),
    ("f = 3", "", "must be a rule, such as `class Mine(Rule)`"),
    ("class f: pass", "", "must be a rule, such as `class Mine(Rule)`"),
    ("def g(): pass", "", "own.py has no 'f'; it has g"),
]


@pytest.mark.parametrize(("text", "option", "sentence"), OWN)
def test_a_file_of_the_user_s_that_is_not_right(
    text, option, sentence, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(f"{text}\n")
    said = refusal([option, "own.py:f"] if option else ["own.py:f"], monkeypatch, capsys)
    assert said.startswith("own.py:f")
    assert sentence in said
    assert not Path("runs").exists()
