"""`thalweg cache` shows, bounds and clears the folder of kernels."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def folder(tmp_path):
    """A folder with three kernels of 1,000 bytes, used in their order."""
    tmp_path.chmod(0o700)
    for i in range(3):
        path = tmp_path / f"SGD-{i:020x}.kernel"
        path.write_bytes(bytes(1000))
        os.utime(path, (1000 + i, 1000))
    return tmp_path


def run(folder, *arguments, **environment):
    """The exit code and what was printed, on either stream."""
    done = subprocess.run(
        [sys.executable, "-m", "thalweg.lab", "cache", *arguments],
        env={**os.environ, "THALWEG_CACHE_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_it_says_where_the_kernels_are_and_how_large(folder):
    assert run(folder) == (0, f"{folder}: 3 kernels, 3 kB, of 268 MB at most.\n")
    said = run(folder, THALWEG_CACHE_LIMIT="5MB")
    assert said == (0, f"{folder}: 3 kernels, 3 kB, of 5 MB at most.\n")


def test_a_program_and_a_file_are_told_the_same(folder, tmp_path_factory):
    code, said = run(folder, "--limit", "2kB", "--json")
    assert code == 0
    assert json.loads(said) == {
        "folder": str(folder), "kernels": 2, "bytes": 2000, "limit": 2**28, "removed": 1,
    }  # fmt: skip
    file = tmp_path_factory.mktemp("told") / "cache.txt"
    assert run(folder, "--out", str(file)) == (0, f"Written: {file}\n")
    assert file.read_text() == f"{folder}: 2 kernels, 2 kB, of 268 MB at most.\n"


def test_a_limit_removes_what_was_not_used_for_longest(folder):
    code, said = run(folder, "--limit", "1.5kB")
    assert (code, said.splitlines()[0]) == (0, "Removed 2 kernels, 2 kB.")
    assert [path.name for path in folder.iterdir()] == [f"SGD-{2:020x}.kernel"]


def test_clear_removes_them_all(folder):
    code, said = run(folder, "--clear")
    assert (code, said.splitlines()[0]) == (0, "Removed 3 kernels, 3 kB.")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--limit", "lots"], "thalweg: --limit must be a size such as 64MB or 1GiB, got 'lots'\n"),
        (
            ["--limit", "1MB", "--clear"],
            "thalweg: give --clear or --limit, not both: --clear leaves nothing to bound\n",
        ),
    ],
    ids=["no size", "both"],
)
def test_what_makes_no_sense_gets_a_sentence_and_changes_nothing(folder, arguments, says):
    assert run(folder, *arguments) == (2, says)
    assert len(list(folder.iterdir())) == 3


def test_a_cache_that_is_turned_off_is_said_to_be(folder):
    said = "No kernels are kept: THALWEG_CACHE_LIMIT is 0.\n"
    assert run(folder, THALWEG_CACHE_LIMIT="0") == (0, said)
