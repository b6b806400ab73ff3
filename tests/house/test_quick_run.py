"""A run takes some cases of every test; without torch, files that want it are skipped."""

import json
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import few, missing_for, number_of_cases, without_case

ROOT = Path(__file__).parents[2]

TESTS = {f"tests/test_{n}.py::test_that": [f"[{case}]" for case in range(40)] for n in range(60)}
TESTS["tests/test_alone.py::test_it"] = [""]
TESTS["tests/test_alone.py::test_three"] = ["[a]", "[b]", "[c]"]
ITEMS = [SimpleNamespace(nodeid=test + case) for test, cases in TESTS.items() for case in cases]


def cases_of(chosen: set[str]) -> set[str]:
    """The cases, less the tests, of those that have forty."""
    return {one.partition("[")[2] for one in chosen if "test_that" in one}


@pytest.mark.parametrize("count", [1, 4, 16, 50])
def test_no_test_is_left_out_and_none_has_more_cases_than_asked_for(count):
    chosen = few(ITEMS, count, seed=0)
    assert {without_case(one) for one in chosen} == set(TESTS)
    for test, cases in TESTS.items():
        taken = [one for one in chosen if without_case(one) == test]
        assert len(taken) == min(count, len(cases)), test


def test_the_order_of_the_tests_changes_nothing():
    assert few(ITEMS[::-1], 4, seed=0) == few(ITEMS, 4, seed=0)


@pytest.mark.parametrize("seed", range(10))
def test_together_they_meet_every_case(seed):
    assert len(cases_of(few(ITEMS, 16, seed))) == 40


def test_each_seed_draws_others_and_each_test_others_than_its_neighbour():
    assert few(ITEMS, 4, seed=1) != few(ITEMS, 4, seed=2)
    by_test = [few(ITEMS[40 * i : 40 * i + 40], 4, seed=1) for i in range(2)]
    assert cases_of(by_test[0]) != cases_of(by_test[1])


def test_a_number_of_cases_is_one_or_more_or_all_of_them():
    assert [number_of_cases(said) for said in ("1", "16", "all")] == [1, 16, "all"]
    for said in ("0", "-1", "2.5", "every", ""):
        with pytest.raises(ArgumentTypeError, match="a number from 1 on or 'all' expected"):
            number_of_cases(said)


A_HUNDRED = """
import pytest
@pytest.mark.parametrize("case", range(100))
def test_it(case): pass
"""

# Runs with these arguments, one after the other, and the ids that each would run.
RUNS = """
import contextlib, io, json, sys
import pytest
found = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert pytest.main(["--collect-only", "-q", *arguments]) == 0
    found.append([line for line in printed.getvalue().splitlines() if "::" in line])
print(json.dumps(found))
"""


@pytest.mark.slow
def test_what_is_named_has_all_its_cases(tmp_path):
    """A file, a test or a word of its name: whoever asks for it wants no draw."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tests / "test_it.py").write_text(A_HUNDRED)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    drawn = ["--cases=5", "--randomly-seed=1"]
    named = [["tests/test_it.py"], ["tests/test_it.py::test_it"], ["-k", "it"], ["--lf"]]
    runs = [drawn, drawn, ["--cases=5", "--randomly-seed=2"], [], *(drawn + one for one in named)]
    command = [sys.executable, "-c", RUNS, json.dumps(runs)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    first, again, other, *whole = json.loads(done.stdout)
    assert len(first) == len(other) == 5
    assert first == again != other
    assert list(map(len, whole)) == [100] * (1 + len(named))


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_file_that_imports_torch_is_skipped_where_there_is_none():
    """One that says so, one that imports it, and one that needs none."""
    files = ["tests/optim/test_hooks.py", "tests/stages/test_clip.py", "tests/stages/test_decay.py"]
    command = [sys.executable, "-c", WITHOUT_TORCH, *files, "-p", "no:cacheprovider"]
    command += ["--collect-only", "-p", "no:randomly"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch is not installed: files that import it are skipped" in done.stdout
    assert "needs torch, which is not installed" in done.stdout
    assert "could not import 'torch'" in done.stdout
    assert "test_decay.py" in done.stdout


def test_another_error_than_a_missing_torch_stays_one():
    missing = ModuleNotFoundError("No module named 'torch'", name="torch")
    behind = ImportError("thalweg.optim needs torch")
    behind.__cause__ = missing
    assert missing_for(missing, ["torch"]) == "torch"
    assert missing_for(behind, ["jax", "torch"]) == "torch"
    assert missing_for(missing, ["jax"]) is None
    other = ModuleNotFoundError("No module named 'torches'", name="torches")
    assert missing_for(other, ["torch"]) is None
    assert missing_for(None, ["torch"]) is None
