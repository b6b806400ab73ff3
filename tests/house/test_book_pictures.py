"""The pictures of the guide are what its pages compute."""

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import matplotlib.pyplot as plt
import numpy as np

from scripts import draw_book


@pytest.mark.slow
def test_the_picture_drawn_anew_is_the_one_that_is_shown(tmp_path):
    plt.switch_backend("Agg")
    draw_book.main(tmp_path)
    plt.close("all")
    anew, shown = (plt.imread(at / "three.png") for at in (tmp_path, draw_book.DOCS / "mytorch"))
    assert anew.shape == shown.shape
    assert np.abs(anew - shown).mean() < 0.01
