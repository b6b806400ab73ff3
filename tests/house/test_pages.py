"""What the pages say of the code is so: their examples run, and the files that they name are there.

docs/schedules.md, docs/language.md, docs/words.md, docs/jax.md and docs/mytorch/ are run in tests
of their own, beside what they are about.
"""

import re
from pathlib import Path

import pytest

from tests.house.pages import run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HERE = [
    page
    for page in PAGES
    if page.stem not in {"schedules", "language", "jax"} and page.parent.name != "mytorch"
]
STEP = (ROOT / "docs" / "how-a-step-runs.md").read_text(encoding="utf-8")

# where a page may leave out the beginning of a path
BESIDE = [ROOT, ROOT / "thalweg", ROOT / "benchmarks"]
# the files of Ranger's and MuSGD's authors, one of the reader's own, and a folder that is made
ELSEWHERE = {"ranger.py", "optim/muon.py", "FILE.py", "runs/"}


def of_the_checkout(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def named(text: str) -> set[str]:
    """The files and folders that a page names: ends in .py, or stands in `code` and ends in /."""
    files = re.findall(r"(?<![\w./<*-])((?:\w+/)*\w+\.py)\b", text)
    folders = re.findall(r"`((?:\w+/)+)`", text)
    return {*files, *folders} - ELSEWHERE


@pytest.mark.parametrize("page", PAGES, ids=of_the_checkout)
def test_the_files_that_a_page_names_are_there(page):
    found = named(page.read_text(encoding="utf-8"))
    assert [one for one in sorted(found) if not any((at / one).exists() for at in BESIDE)] == []


@pytest.mark.parametrize("page", PAGES, ids=of_the_checkout)
def test_a_page_s_links_lead_to_files(page):
    places = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [place for place in places if not page.parent.joinpath(place).exists()] == []


def test_the_files_that_comments_and_docstrings_name_are_there():
    place = re.compile(r"\b(?:thalweg|docs|tests|scripts|benchmarks|examples)/[\w/-]+\.(?:py|md)\b")
    missing = [
        f"{of_the_checkout(path)}: {one}"
        for folder in ("thalweg", "scripts", "benchmarks", "examples")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for one in place.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / one).exists()
    ]
    assert missing == []


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", list(filter(blocks, HERE)), ids=of_the_checkout)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page, capsys):
    pytest.importorskip("torch")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    run(page, capsys)
    plt.close("all")


def test_the_kernel_that_is_shown_is_the_one_that_is_made(capsys):
    code, shown = re.findall(r"^```(?:python|text)\n(.*?)^```", STEP, re.M | re.S)[-2:]
    exec(compile(code, "how-a-step-runs.md", "exec"), {})
    assert capsys.readouterr().out.strip() == shown.strip()


def test_the_javascript_that_is_shown_is_the_one_that_is_made(capsys):
    page = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    (code,), (shown,) = (
        re.findall(rf"^```{language}\n(.*?)^```", page, re.M | re.S)
        for language in ("python", "javascript")
    )
    exec(compile(code, "engines.md", "exec"), {})
    assert capsys.readouterr().out.strip() == shown.strip()
