"""docs/optimizers.md is what its script writes, and has every optimizer."""

import re

import pytest

from scripts.write_optimizers import PAGE, kind, main, page, streams
from thalweg.optimizers import OPTIMIZERS


@pytest.fixture(scope="module")
def written() -> str:
    return page()


def test_the_page_is_current(written):
    assert PAGE.read_text(encoding="utf-8") == written, "python -m scripts.write_optimizers"


def test_every_optimizer_has_a_row_and_a_section(written):
    rows = re.findall(r"^\| \[(\w+)\]\(#\w+\)", written, re.M)
    assert set(OPTIMIZERS) < set(rows)
    assert re.findall(r"^## (\w+)", written, re.M) == rows


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AdamW", ("elements", "7")),
        ("Lion", ("elements", "5")),
        ("Ranger", ("sums over rows", "7")),
        ("LAMB", ("sums over the tensor", "11")),
        ("Prodigy", ("sums over all", "13")),
        ("SAM", ("another gradient", "7")),
    ],
)
def test_what_a_step_needs_and_moves_comes_from_the_plan(name, expected):
    assert (kind(OPTIMIZERS[name]), streams(OPTIMIZERS[name])) == expected


def test_a_page_of_another_text_is_not_current(tmp_path, capsys):
    other = tmp_path / "optimizers.md"
    assert main(["--check"], other) == 1
    assert "python -m scripts.write_optimizers" in capsys.readouterr().err
    assert main(["--else"], other) == 2
