"""In which type each word on matrices works, and that half types come out as they are written."""

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from thalweg import matrices, mytorch

RULES = [
    *("Muon", "NorMuon", "AdaMuon", "MuSGD", "Dion", "Scion", "SOAP", "Shampoo", "PSGDKron"),
    *("GaLore", "APOLLO", "Adafactor", "CAME", "AdamMini"),
]
NARROW = [torch.bfloat16, torch.float16]
# what each word is told beside its matrix
TOLD = {
    "newton_schulz": ((3.4445, -4.775, 2.0315), 5, 1e-7),
    "inverse_root": (4, 1e-6),
    "leading": (2,),
    "first_columns": (2,),
    "laid": (3, 3),
}
ON_TWO = ("solve_triangular", "descending")


def of_full_rank(seed):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(6, 5)), [draw.normal(size=(6, 5)) for _ in range(4)]


@pytest.mark.parametrize("dtype", [*NARROW, torch.float32], ids=str)
@pytest.mark.parametrize("name", RULES)
def test_a_step_of_half_types_is_the_one_that_is_written(name, dtype):
    start, gradients = of_full_rank(1)
    stepped = []
    for plainly in (False, True):
        p = torch.tensor(start).to(dtype)
        opt = getattr(optim, name)([p], lr=0.01, differentiable=plainly)
        for g in gradients:
            p.grad = torch.tensor(g).to(dtype)
            opt.step()
        stepped.append(p)
    fused, plain = stepped
    close = torch.finfo(dtype).eps
    assert not torch.equal(fused, torch.tensor(start).to(dtype))
    torch.testing.assert_close(fused, plain, rtol=4 * close, atol=4 * close)


@pytest.mark.parametrize("name", RULES)
def test_a_step_on_numpy_of_singles_is_that_of_doubles_rounded(name):
    start, gradients = of_full_rank(2)
    stepped = []
    for dtype in (np.float32, np.float64):
        p = mytorch.nn.Parameter(start.astype(dtype))
        opt = getattr(mytorch.optim, name)([p], lr=0.01)
        for g in gradients:
            p.grad = g.astype(dtype)
            opt.step()
        assert p.data.dtype == dtype
        stepped.append(p.data)
    np.testing.assert_allclose(*stepped, rtol=1e-3, atol=2e-4)


def test_every_word_has_a_type_to_work_in():
    assert matrices.FORMATS.keys() == {*matrices.MATRIX_WORDS}


@pytest.mark.parametrize("dtype", [*NARROW, np.float16], ids=str)
@pytest.mark.parametrize("word", matrices.MATRIX_WORDS)
def test_a_word_of_half_types_is_that_of_singles_rounded(word, dtype):
    root = np.random.default_rng(3).normal(size=(3, 3))
    x = root @ root.T + np.eye(3)
    x = np.triu(x) if word == "solve_triangular" else x
    if dtype is np.float16:
        narrow, wide = x.astype(dtype), x.astype(dtype).astype(np.float32)
    else:
        narrow = torch.tensor(x).to(dtype)
        wide = narrow.float()
    told = TOLD.get(word, ())
    found, wanted = (
        getattr(matrices, word)(one, *((one,) if word in ON_TWO else told))
        for one in (narrow, wide)
    )
    assert found.dtype == narrow.dtype
    found, wanted = (np.array(one.tolist(), np.float64) for one in (found, wanted))
    if word in ("qr", "eigenbasis", "leading"):  # up to the signs of columns, which turn with a bit
        found, wanted = abs(found), abs(wanted)
    close = 2.0**-7 if dtype is torch.bfloat16 else 2.0**-10
    np.testing.assert_allclose(found, wanted, rtol=8 * close, atol=8 * close * abs(wanted).max())


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_columns_are_put_in_order_by_what_stands_on_a_diagonal(library):
    x = np.arange(12.0).reshape(2, 2, 3)
    by = np.stack([np.diag([1.0, 3.0, 2.0]), np.diag([5.0, 5.0, 7.0])])
    made = np.array if library == "numpy" else torch.tensor
    found = np.asarray(matrices.descending(made(x), made(by)))
    assert found.tolist() == [[[1, 2, 0], [4, 5, 3]], [[8, 6, 7], [11, 9, 10]]]
    assert np.asarray(matrices.descending(made(x[0]), made(by[0]))).tolist() == found[0].tolist()
