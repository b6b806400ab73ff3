"""The guide is the same in English and in Chinese: headings, code, equations, pictures, tables."""

import ast
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
CHINESE = sorted((DOCS / "zh").glob("*.md"))
MENU = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", text(page), flags=re.M | re.S)


def levels(page: Path) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", without_blocks(page), re.M)]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block; of Python what runs, so that comments may be translated."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text(page), re.M | re.S)
    return [(kind, ast.dump(ast.parse(code)) if kind == "python" else code) for kind, code in found]


def equations(page: Path) -> list[str]:
    return re.findall(r"\$\$(.*?)\$\$", without_blocks(page), re.S)


def pictures(page: Path) -> list[str]:
    return [Path(place).name for place in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text(page))]


def rows(page: Path) -> int:
    return len(re.findall(r"^\|", without_blocks(page), re.M))


def test_the_guide_has_the_same_pages_in_both_languages():
    guide = re.search(r"- Guide:\n((?:      - .*\n)+)", MENU)[1]
    named = re.findall(r"- ([\w-]+\.md)", guide)
    assert named
    assert sorted(named) == [page.name for page in CHINESE]
    assert [f"zh/{name}" for name in named] == re.findall(r"- (zh/[\w-]+\.md)", MENU)


@pytest.mark.parametrize("what", [levels, blocks, equations, pictures, rows])
@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.name)
def test_both_languages_of_a_page_have_the_same(page, what):
    assert what(page) == what(DOCS / page.name)
