"""docs/language.md: its examples run as they stand, and print what stands below them."""

from tests.house.pages import run
from tests.house.test_pages import ROOT


def test_every_example_runs_and_prints_what_is_shown(capsys):
    assert run(ROOT / "docs" / "language.md", capsys) == 2
