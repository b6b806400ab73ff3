"""The pictures of the guide are what its pages compute."""

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import matplotlib.pyplot as plt
import numpy as np

from scripts import draw_book


@pytest.mark.slow
@pytest.mark.parametrize("name", draw_book.PICTURES)
def test_the_picture_drawn_anew_is_the_one_that_is_shown(name, tmp_path):
    plt.switch_backend("Agg")
    draw_book.PICTURES[name](tmp_path / "anew.png")
    plt.close("all")
    anew, shown = plt.imread(tmp_path / "anew.png"), plt.imread(draw_book.DOCS / name)
    assert anew.shape == shown.shape
    assert np.abs(anew - shown).mean() < 0.01
