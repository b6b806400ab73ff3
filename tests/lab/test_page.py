"""`report.html` in a browser: nothing is fetched, nothing complains, and a legend entry toggles."""

import json
import re
import shutil

import pytest

from tests.lab.made import contest, fill, outcome
from thalweg.lab.page import write_page
from thalweg.lab.page.figures import figures
from thalweg.lab.results import About

ABOUT = About("mytorch", True, 12.0, "thalweg compare 'ranger(k=5)' </script> --seeds 3")


def made():
    """Two good ones and a hopeless one, of three seeds, one of which diverged."""
    found = contest(adam=[0.95, 0.96, 0.97], ranger=[0.96, 0.95, 0.97], sgd=[0.1, 0.1, 0.1])
    hopeless = [outcome(0.1, 50.0), outcome(0.1, 60.0), outcome(0.1, 70.0, diverged_at=7)]
    fill(found, "SGD", hopeless)
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, made(), ABOUT)
    return path


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_the_page_says_the_verdict_the_command_and_the_versions(page):
    text = page.read_text(encoding="utf-8")
    assert re.search("No difference between (Adam and Ranger|Ranger and Adam) can be told", text)
    assert "SGD diverged and is not judged." in text
    assert "thalweg compare &#x27;ranger(k=5)&#x27; &lt;/script&gt; --seeds 3" in text
    for word in ("numpy", "95 % interval", "B per weight", "weight_decay"):
        assert word in text


def test_the_page_names_no_place_to_fetch_from(page):
    text = page.read_text(encoding="utf-8")
    ours = text[: text.index("<script>")] + text[text.rindex('<script type="application/json"') :]
    assert re.findall(r"(?:src|href)=\"(?!data:)", ours) == []
    assert "default-src 'none'" in ours


def test_one_hopeless_entry_does_not_flatten_the_others():
    training, validation = figures(made())[:2]
    assert 10 ** training.layout["yaxis"]["range"][1] < 1
    assert "range" not in validation.layout["yaxis"]  # all of these end at the same share
    marks = [one for one in training.traces if one.get("cliponaxis") is False]
    assert [one["marker"]["symbol"] for one in marks] == ["triangle-up"]


def test_neighbours_differ_in_more_than_colour():
    lines = [one for one in figures(made())[1].traces if "name" in one and "line" in one]
    looks = {(one["line"]["dash"], one["marker"]["symbol"]) for one in lines}
    assert len(looks) == len(lines) == 3


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1440])
def test_a_browser_draws_it_without_a_request_or_a_complaint(page, browser, width):
    view = browser.new_page(viewport={"width": width, "height": 900})
    said, asked = [], []
    view.on("console", lambda message: said.append(message.text))
    view.on("pageerror", lambda error: said.append(str(error)))
    view.on("request", lambda request: asked.append(request.url))
    view.goto(page.as_uri())
    view.wait_for_selector("#scores .plot-container")
    count = len(json.loads(view.inner_text("#figures") or view.text_content("#figures")))
    assert view.locator(".figure .main-svg").count() >= count
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    drawn = view.locator("#validation .scatterlayer .trace")
    last = drawn.nth(drawn.count() - 1)
    view.locator("#validation .legendtoggle").first.click()
    last.wait_for(state="detached")
    view.close()
    assert said == []
    assert asked == [page.as_uri()]
