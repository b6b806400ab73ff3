"""The book that `make docs` has built (mkdocs itself holds its menu, links and anchors)."""

import re
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "site"
# `thalweg landscape` has made the live page of the gallery, and tests of its own hold it
PAGES = sorted(page for page in SITE.rglob("*.html") if page.parent.name != "gallery")

pytestmark = pytest.mark.skipif(not PAGES, reason="there is no site/: `make docs` builds it")


def of_the_site(page: Path) -> str:
    return page.relative_to(SITE).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=of_the_site)
def test_a_page_loads_nothing_from_elsewhere(page):
    text = page.read_text(encoding="utf-8")
    loaded = [
        *re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"' >]+)", text),
        *re.findall(r"<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|icon|preload|preconnect))"
                    r"[^>]*\bhref=[\"']?([^\"' >]+)", text),
    ]  # fmt: skip
    assert loaded
    assert [one for one in loaded if "//" in one] == []


@pytest.mark.parametrize("page", PAGES, ids=of_the_site)
def test_every_equation_is_mathml_and_every_fence_a_block(page):
    text = page.read_text(encoding="utf-8")
    assert "arithmatex" not in text
    assert "```" not in text


@pytest.mark.parametrize("page", PAGES, ids=of_the_site)
def test_a_page_says_its_language(page):
    text = page.read_text(encoding="utf-8")
    expected = "zh" if of_the_site(page).startswith("zh/") else "en"
    assert re.search(r"<html[^>]*\blang=[\"']?([\w-]+)", text)[1] == expected
