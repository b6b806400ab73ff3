"""The book in a browser, opened from the disk: it fits a phone, asks for nothing, searches."""

import shutil

import pytest

from tests.book.test_site import PAGES, SITE, of_the_site

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

WRITTEN = [page for page in PAGES if "reference" not in page.relative_to(SITE).parts]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGES, reason="there is no site/: `make docs` builds it"),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here"),
]


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    page = chromium.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_the_window_or_asks_for_anything(page, width):
    asked, failed, wide = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.set_viewport_size({"width": width, "height": 900})
    # the pages of the reference are made alike: where the narrow ones fit, so do the wide
    for one in PAGES if width < 1000 else WRITTEN:
        page.goto(one.as_uri())
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(of_the_site(one))
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert failed == []
    assert wide == []


@pytest.mark.parametrize(
    ("start", "word", "found"),
    [("index.html", "valley", "apart.html"), ("zh/index.html", "山谷", "zh/apart.html")],
)
def test_a_search_without_a_server_finds_the_page(page, start, word, found):
    page.goto((SITE / start).as_uri())
    field = page.locator(".md-search__input")
    field.focus()
    field.fill(word)
    field.press("End")  # a search begins when a key comes up
    page.locator(f".md-search-result__link[href*='site/{found}']").first.wait_for(state="attached")
