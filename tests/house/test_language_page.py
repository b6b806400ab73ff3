"""docs/language.md: its examples run as they stand, and print what stands below them."""

import pytest

from tests.house.pages import EXAMPLE, run
from tests.house.test_pages import ROOT
from thalweg.elementwise import FUNCTIONS
from thalweg.reading import WORDS


def test_every_example_runs_and_prints_what_is_shown(capsys):
    assert run(ROOT / "docs" / "language.md", capsys) == 3


@pytest.mark.parametrize("word", sorted([*WORDS.values(), *FUNCTIONS]))
def test_every_word_stands_in_an_example(word):
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert any(f"{word}(" in example["code"] for example in EXAMPLE.finditer(text))
