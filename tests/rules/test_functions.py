"""The functions that are written in words of the language: to the last digits, at the ends too."""

import numpy as np
import pytest

from thalweg.elementwise import cos, floor, sqrt, tanh

ENDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 1e-300, 2.0**52 + 1]
X = np.concatenate([np.linspace(-3, 3, 1001), 10.0 ** np.arange(-40, 40), ENDS])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ours", "numpys"), [(tanh, np.tanh), (floor, np.floor)])
def test_they_are_numpys(ours, numpys, dtype):
    with np.errstate(all="ignore"):
        x = X.astype(dtype)
        found, wanted = ours(x), numpys(x.astype(np.float64))
    assert found.dtype == dtype
    least = float(np.finfo(dtype).smallest_normal)
    np.testing.assert_allclose(found, wanted, rtol=3 * np.finfo(dtype).eps, atol=least)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_cosine_is_numpys_to_roundings_of_one(dtype):
    x = np.linspace(-100, 100, 9999).astype(dtype)
    found = cos(x)
    assert found.dtype == dtype
    close = 6 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, np.cos(x.astype(np.float64)), rtol=0, atol=close)
    with np.errstate(invalid="ignore"):
        assert np.isnan(cos(np.array([np.inf, np.nan]))).all()


def test_they_take_numbers():
    assert sqrt(10**30) == 1e15
    assert [tanh(0), floor(-2.5), cos(0.0)] == [0.0, -3.0, 1.0]
    assert tanh(30.0) == 1.0
