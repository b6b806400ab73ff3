"""What waits in `changes/` can be joined into the changelog, and is, in order and whole."""

from pathlib import Path

import pytest

from scripts.changelog import fragments, main

ROOT = Path(__file__).parents[2]

LOG = """# Changelog

## [Unreleased]

### Added

- What was there.

### Removed

- An old thing.

## [0.1.0]

### Fixed

- Long ago.
"""

JOINED = """# Changelog

## [Unreleased]

### Added

- What was there.
- From a,
  on two lines.
- From b.

### Fixed

- Also from a.

### Removed

- An old thing.

## [0.1.0]

### Fixed

- Long ago.
"""


@pytest.fixture
def checkout(tmp_path):
    """A changelog and two changes; `changes/README.md` is none."""
    (tmp_path / "CHANGELOG.md").write_text(LOG)
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "README.md").write_text("# What a fragment is\n")
    (tmp_path / "changes" / "b.md").write_text("### Added\n\n- From b.\n")
    (tmp_path / "changes" / "a.md").write_text(
        "### Fixed\n\n- Also from a.\n\n### Added\n- From a,\n  on two lines.\n"
    )
    return tmp_path


def test_joining_puts_every_item_under_its_kind_and_deletes_the_fragments(checkout):
    assert main(["--join"], checkout) == 0
    assert (checkout / "CHANGELOG.md").read_text() == JOINED
    assert fragments(checkout) == []
    assert (checkout / "changes" / "README.md").exists()


def test_joining_twice_adds_nothing(checkout):
    main(["--join"], checkout)
    assert main(["--join"], checkout) == 0
    assert (checkout / "CHANGELOG.md").read_text() == JOINED


def test_looking_changes_nothing(checkout, capsys):
    assert main([], checkout) == 0
    assert capsys.readouterr().out == JOINED
    assert main(["--check"], checkout) == 0
    assert (checkout / "CHANGELOG.md").read_text() == LOG
    assert [path.name for path in fragments(checkout)] == ["a.md", "b.md"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- No heading.\n", "bad.md:1: below a heading there must be"),
        ("### Repaired\n\n- x\n", "bad.md:1: a heading must be '### Added', '### Changed'"),
        ("## Fixed\n\n- x\n", "bad.md:1: a heading must be"),
        ("### Fixed\n\nA sentence.\n", "bad.md:3: below a heading there must be"),
        ("### Fixed\n", "bad.md: there must be a heading and an item below it"),
        ("", "bad.md: there must be a heading and an item below it"),
    ],
)
def test_a_fragment_of_another_form_is_refused_and_nothing_is_joined(
    text, sentence, checkout, capsys
):
    (checkout / "changes" / "bad.md").write_text(text)
    assert main(["--join"], checkout) == 1
    assert sentence in capsys.readouterr().err
    assert (checkout / "CHANGELOG.md").read_text() == LOG
    assert len(fragments(checkout)) == 3


def test_an_unknown_option_is_refused(checkout, capsys):
    assert main(["--jion"], checkout) == 2
    assert capsys.readouterr().err == "usage: changelog.py [--check | --join]\n"


def test_what_waits_here_can_be_joined():
    assert main(["--check"], ROOT) == 0
