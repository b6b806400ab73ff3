"""A quick run takes some cases of every test; without torch, files that want it are skipped."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import CASES, few, wants_torch, without_case

ROOT = Path(__file__).parents[2]

TESTS = {f"tests/test_{n}.py::test_that": [f"[{case}]" for case in range(40)] for n in range(60)}
TESTS["tests/test_alone.py::test_it"] = [""]
TESTS["tests/test_alone.py::test_three"] = ["[a]", "[b]", "[c]"]
ITEMS = [SimpleNamespace(nodeid=test + case) for test, cases in TESTS.items() for case in cases]


def test_no_test_is_left_out_and_none_has_more_cases_than_a_few():
    chosen = few(ITEMS)
    assert {without_case(one) for one in chosen} == set(TESTS)
    for test, cases in TESTS.items():
        taken = [one for one in chosen if without_case(one) == test]
        assert len(taken) == min(CASES, len(cases)), test


def test_the_order_of_the_tests_changes_nothing():
    assert few(ITEMS[::-1]) == few(ITEMS)


def test_together_they_meet_every_case():
    chosen = {one.partition("[")[2] for one in few(ITEMS) if "test_that" in one}
    assert len(chosen) == 40


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
    assert wants_torch(missing)
    assert wants_torch(behind)
    assert not wants_torch(ModuleNotFoundError("No module named 'torches'", name="torches"))
    assert not wants_torch(None)
