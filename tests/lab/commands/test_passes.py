"""`thalweg show --passes` prints the passes of the steps of an optimizer."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("typer")

LAMB = """\
LAMB, a tensor of 64 x 32

  steps 1 to 12
    pass 1  reads  p, g, m, v
            sums   norm(p), norm(u)
    pass 2  reads  p, g, m, v
            writes p, m, v
"""


def show(*arguments):
    """The exit code, and what is printed on either stream."""
    command = [sys.executable, "-m", "thalweg", "show", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_passes_are_shown_with_what_they_read_and_write():
    assert show("lamb", "--passes") == (0, LAMB)


def test_steps_that_take_other_passes_are_told_apart():
    code, said = show("Ranger", "--passes", "--shape", "7", "--steps", "7", "--set", "k=3")
    assert code == 0
    heads = [line.strip() for line in said.splitlines() if line.startswith("  step")]
    assert heads == ["steps 1, 2, 4, 5, 7", "steps 3, 6"]
    assert "mean" not in said  # a vector is not centralized


def test_of_a_matrix_in_blocks_the_passes_are_those_of_a_block():
    code, said = show("SOAP", "--passes", "--set", "block_size=24", "--steps", "1")
    assert code == 0
    assert said.startswith("SOAP, a tensor of 64 x 32, of its 6 blocks the first, of 24 x 24\n")


def test_json_says_the_same():
    code, said = show("Lion", "--passes", "--json", "--set", "betas=0.5,0.6")
    (stretch,) = json.loads(said)["steps"]
    assert code == 0
    assert stretch["passes"] == [
        {"reads": ["p", "g", "m"], "sums": [], "writes": ["p", "m"], "does": []}
    ]
    assert stretch["steps"] == list(range(1, 13))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lamp",), "nothing is called 'lamp' (did you mean LAMB?)"),
        (("lamb", "--passes", "--shape", "3,x"), "--shape must be whole numbers with commas"),
        (("lamb", "--passes", "--set", "lrr=1"), "--set: unknown name 'lrr'; did you mean 'lr'?"),
        (("lamb", "--passes", "--set", "lr"), "--set: must be NAME=VALUE, got 'lr'"),
        (("lamb", "--passes", "--set", "lr=x"), "--set lr=x: must be a number"),
        (("lamb", "--passes", "--set", "lr=1,2"), "--set lr=1,2: must be one number, got 2"),
        (("lamb", "--set", "lr=1"), "--set and --shape say of what the passes are; add --passes"),
        (("lamb", "--shape", "3"), "--set and --shape say of what the passes are; add --passes"),
        (("lamb", "--passes", "--set", "lr=-1"), "LAMB: lr must be >= 0, got -1.0"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_shown_is_said(arguments, says):
    code, said = show(*arguments)
    assert code == 2
    assert says in said
