"""The pages of the language: examples run as they stand, and print what stands below them."""

import re

import pytest

from tests.house.pages import EXAMPLE, run
from tests.house.test_pages import ROOT
from thalweg.elementwise import FUNCTIONS
from thalweg.reading import WORDS

LANGUAGE, EXAMPLES = (ROOT / "docs" / name for name in ("language.md", "words.md"))
LINES_OF_A_SCREEN = 75


@pytest.mark.parametrize(
    ("page", "shown"), [(LANGUAGE, 0), (EXAMPLES, 3)], ids=["language", "words"]
)
def test_every_example_runs_and_prints_what_is_shown(page, shown, capsys):
    assert run(page, capsys) == shown


@pytest.mark.parametrize("word", sorted([*WORDS.values(), *FUNCTIONS]))
def test_every_word_stands_in_an_example(word):
    text = EXAMPLES.read_text(encoding="utf-8")
    assert any(f"{word}(" in example["code"] for example in EXAMPLE.finditer(text))


@pytest.mark.parametrize("word", sorted([*WORDS.values(), *FUNCTIONS]))
def test_every_word_is_named_in_the_language(word):
    assert re.search(rf"`[^`\n]*\b{word}\b", LANGUAGE.read_text(encoding="utf-8"))


def test_the_language_is_two_screens():
    assert len(LANGUAGE.read_text(encoding="utf-8").splitlines()) <= 2 * LINES_OF_A_SCREEN


def test_what_it_quotes_of_errors_is_what_was_printed():
    (quoted,) = re.findall(
        r"^```text\n(.*?)^```", LANGUAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    printed = [example["shown"] for example in EXAMPLE.finditer(EXAMPLES.read_text("utf-8"))]
    assert quoted == printed[-1]
