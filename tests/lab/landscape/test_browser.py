"""landscape.html in a real browser: it moves, asks for nothing, and its paths are the oracle's."""

import shutil

import numpy as np
import pytest

from tests.lab.landscape.test_command import BOWL, MINE
from thalweg.lab.landscape.choosing import chosen_surface
from thalweg.lab.landscape.entrants import CLASSIC, entrant, entrants
from thalweg.lab.landscape.page import page_text
from thalweg.lab.landscape.race import Plan, race
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.walking import path

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here"),
]


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The page of the classic ones and of a user's own rule."""
    place = tmp_path_factory.mktemp("page")
    (place / "mine.py").write_text(MINE)
    (place / "bowls.py").write_text(BOWL)
    surface = SURFACES["beale"]
    chosen = entrants([*CLASSIC, f"{place / 'mine.py'}:Mine"])
    text, lacking = page_text(race(surface, chosen, Plan(surface.start, 120)))
    assert lacking == []
    made = place / "landscape.html"
    made.write_text(text)
    return made


class Seen:
    """A page that is open, and everything it complained of or asked for."""

    def __init__(self, page, file):
        self.page, self.said, self.asked = page, [], []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(file.as_uri())
        self.address = file.as_uri()
        self.wait("drawnGround.canvas !== null")

    def wait(self, what):
        """Playwright's own waiting evaluates text in the page, which the page forbids."""
        for _ in range(1000):
            if self.page.evaluate(what):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never so: {what}")

    def one(self, label, what):
        return self.page.evaluate(
            f"(label) => {{ const one = page.taking.find((each) => each.label === label);"
            f" return {what}; }}",
            label,
        )

    def end(self, label):
        return np.array(self.one(label, "Array.from(one.places.slice(-2))"))

    def entry(self, label):
        return self.page.locator(f'#legend li[data-label="{label}"]')


@pytest.fixture(params=[(390, "dark"), (1440, "light")], ids=str)
def seen(request, chromium, file):
    width, scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    opened = Seen(context.new_page(), file)
    yield opened
    assert opened.said == []
    assert opened.asked == [opened.address]
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def ours(label, start, lr, steps=120):
    return path(entrant(label), SURFACES["beale"], start, lr, steps)[-1]


def near(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_paths_end_where_the_oracle_s_end(seen):
    for label in CLASSIC:
        near(seen.end(label), ours(label, (0.5, -1.0), seen.one(label, "one.lr")))


def test_a_click_starts_there(seen):
    canvas = seen.page.locator("#contours")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.3, "y": box["height"] * 0.4})
    start = seen.page.evaluate("page.start")
    x_low, x_high, y_low, y_high = SURFACES["beale"].window
    assert start[0] == pytest.approx(x_low + 0.3 * (x_high - x_low), abs=0.02)
    assert start[1] == pytest.approx(y_high - 0.4 * (y_high - y_low), abs=0.02)
    near(seen.end("Adam"), ours("Adam", tuple(start), seen.one("Adam", "one.lr")))


def test_a_slider_changes_one_rate_and_tune_brings_the_tuned_one_back(seen):
    entry, tuned = seen.entry("RAdam"), seen.one("RAdam", "one.lr")
    others = seen.one("Adam", "one.lr")
    entry.locator(".lr").fill("-3")
    assert seen.one("RAdam", "one.lr") == pytest.approx(1e-3)
    assert seen.one("Adam", "one.lr") == others
    near(seen.end("RAdam"), ours("RAdam", (0.5, -1.0), 1e-3))
    assert "tuned: 0.0" in entry.locator(".tuned").inner_text().replace("0.1", "0.0")
    entry.locator(".tune").click()
    assert seen.one("RAdam", "one.lr") == pytest.approx(tuned)


def test_who_is_hidden_removed_or_added(seen):
    shown = "page.shown().map((one) => one.label)"
    seen.entry("Adam").locator(".visible").uncheck()
    assert seen.page.evaluate(shown) == [one for one in [*CLASSIC, "Mine"] if one != "Adam"]
    seen.entry("SGD").locator(".remove").click()
    seen.page.locator("#add").select_option("Lion")
    assert seen.page.evaluate(shown) == ["momentum", "RMSprop", "RAdam", "Ranger", "Mine", "Lion"]
    near(seen.end("Lion"), ours("Lion", (0.5, -1.0), seen.one("Lion", "one.lr")))
    seen.page.locator("#add").select_option("SGD")  # who has left may come back
    assert seen.page.evaluate(shown)[-1] == "SGD"


def test_time_can_be_moved_and_runs_by_itself(seen):
    seen.page.locator("#time").fill("30")
    assert seen.page.evaluate("page.until(page.taking[0].places).length") == 31
    seen.page.locator("#speed").select_option("150")
    seen.page.locator("#play").click()
    seen.wait("page.time > 60")
    seen.wait("page.time === page.steps && !page.playing")
    assert seen.page.locator("#now").inner_text() == "120"


def test_noise_is_that_of_the_seed(seen):
    seen.page.locator("#noise").fill("0.5")
    ends = []
    for number in ("1", "2", "1"):
        seen.page.locator("#seed").fill(number)
        seen.page.locator("#seed").blur()
        ends.append(tuple(seen.end("Adam")))
    assert ends[0] == ends[2] != ends[1]


def test_the_user_s_rule_shows_its_states(seen):
    seen.page.locator("#focus").select_option("Mine")
    titles = seen.page.locator("#charts h3 b").all_inner_texts()
    assert titles[0] == "m (velocity)"
    assert any("angle" in one for one in titles)
    seen.page.locator("#focus").select_option("Adam")
    seen.wait("document.querySelectorAll('#charts h3 b')[1].textContent[0] === '√'")


def test_every_surface_can_be_chosen_and_is_drawn(seen):
    for name, surface in SURFACES.items():
        seen.page.locator("#surface").select_option(name)
        seen.wait(f"drawnGround.key.startsWith('{name},')")
        lr, start = seen.one("momentum", "one.lr"), surface.start
        steps = 120 if name == "beale" else surface.steps
        assert seen.page.evaluate("page.steps") == steps
        expected = path(entrant("momentum"), surface, start, lr, steps)[-1]
        np.testing.assert_allclose(seen.end("momentum"), expected, rtol=1e-5, atol=1e-6)


def test_the_picture_changes_with_theme_turning_and_time(seen):
    canvas, relief = seen.page.locator("#contours"), seen.page.locator("#relief")
    before = canvas.screenshot(), relief.screenshot()
    seen.page.locator("#theme").click()
    seen.page.wait_for_timeout(200)
    dark = canvas.screenshot(), relief.screenshot()
    assert dark[0] != before[0]
    box = relief.bounding_box()
    relief.scroll_into_view_if_needed()
    box = relief.bounding_box()
    seen.page.mouse.move(box["x"] + 50, box["y"] + 50)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 150, box["y"] + 60, steps=4)
    seen.page.mouse.up()
    seen.page.wait_for_timeout(200)
    assert relief.screenshot() != dark[1]


def test_a_user_s_surface_has_its_page(chromium, file):
    surface = chosen_surface(f"{file.parent / 'bowls.py'}:bowl")
    made = file.parent / "bowl.html"
    made.write_text(page_text(race(surface, entrants(["adam"]), Plan(surface.start, 60)))[0])
    context = chromium.new_context()
    opened = Seen(context.new_page(), made)
    expected = path(entrant("adam"), surface, surface.start, opened.one("Adam", "one.lr"), 60)
    near(opened.end("Adam"), expected[-1])
    assert opened.said == []
    context.close()
