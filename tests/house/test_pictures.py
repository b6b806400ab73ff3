"""The pictures of the book are what its scripts draw."""

import re
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("rich", reason="rich is not installed")

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageSequence

from scripts.pictures import DOCS, GROUPS

# so much of its height an element of a picture may differ by, on average: the smallest digits of
# another machine's numbers move a line by less
TOLERANCE = 0.01
MEGABYTES = 3


def frames(path: Path) -> list[np.ndarray]:
    """A picture, or each of a film."""
    with Image.open(path) as opened:
        return [
            np.asarray(one.convert("RGB"), float) / 255 for one in ImageSequence.Iterator(opened)
        ]


def skeleton(path: Path) -> str:
    """A page without its numbers, of which another machine may have other digits."""
    return re.sub(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", "#", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "group",
    [
        name if name == "schedules" else pytest.param(name, marks=pytest.mark.slow)
        for name in GROUPS
    ],
)
def test_what_is_drawn_anew_is_what_is_shown(group, tmp_path):
    plt.switch_backend("Agg")
    GROUPS[group].draw(tmp_path)
    plt.close("all")
    for name in GROUPS[group].files:
        if name.endswith(".html"):
            assert skeleton(tmp_path / name) == skeleton(DOCS / name)
            continue
        anew, shown = frames(tmp_path / name), frames(DOCS / name)
        assert [one.shape for one in anew] == [one.shape for one in shown], name
        apart = [np.abs(a - b).mean() for a, b in zip(anew, shown, strict=True)]
        assert max(apart) < TOLERANCE, name


def test_every_picture_of_the_docs_is_drawn_by_a_script():
    drawn = {name for group in GROUPS.values() for name in group.files}
    there = {
        path.relative_to(DOCS).as_posix()
        for path in DOCS.rglob("*.*")
        if path.suffix in (".png", ".gif", ".html", ".svg", ".jpg")
    }
    assert there == drawn


def test_the_pictures_are_small():
    size = sum((DOCS / name).stat().st_size for group in GROUPS.values() for name in group.files)
    assert size < MEGABYTES * 1e6
