"""Rules on whole matrices take their papers' steps, on NumPy and on torch."""

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from tests.matrices import papers
from thalweg import mytorch
from thalweg.requests import drawn

STEPS = 50
CASES = [
    ("SOAP", {}),
    ("SOAP", {"lr": 0.01, "betas": (0.9, 0.8), "precondition_frequency": 3}),
    ("SOAP", {"shampoo_beta": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
    ("SOAP", {"shampoo_beta": 0.5, "precondition_frequency": 1}),  # whose eigenvalues change places
    ("Shampoo", {}),
    ("Shampoo", {"lr": 0.03, "eps": 1e-2, "precondition_frequency": 4}),
]


def paper(name):
    return getattr(papers, "adam_mini" if name == "AdamMini" else name.lower())


def _started(shape, seed=3):
    draw = np.random.default_rng(seed)
    return draw.normal(size=shape), [draw.normal(size=shape) for _ in range(STEPS)]


BY_ROWS = [
    ("AdamMini", {}),
    ("AdamMini", {"lr": 0.01, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.1}),
    ("CAME", {"lr": 2e-3}),
    ("CAME", {"lr": 1e-3, "betas": (0.7, 0.8, 0.9), "clip_threshold": 0.5, "weight_decay": 0.1}),
    ("CAME", {"eps": (1e-3, 1e-2)}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.1, "eps": (1e-3, 1e-2), "d": 1.5, "weight_decay": 0.1}),
]


@pytest.mark.parametrize("shape", [(5, 7), (4, 2, 3), (6,), (1, 9), (300, 70)], ids=str)
@pytest.mark.parametrize(("name", "settings"), BY_ROWS, ids=str)
def test_with_a_number_for_each_row_and_column(name, settings, shape):
    start, gradients = _started(shape)
    p, q = torch.nn.Parameter(torch.tensor(start)), mytorch.nn.Parameter(start)
    opt = getattr(optim, name)([p], **settings)
    other = getattr(mytorch.optim, name)([q], **settings)
    for g, wanted in zip(gradients, paper(name)(start, gradients, **settings), strict=True):
        p.grad, q.grad = torch.tensor(g), g
        opt.step()
        other.step()
        np.testing.assert_allclose(p.detach().numpy(), wanted, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(q.data, wanted, rtol=1e-10, atol=1e-12)


def test_each_tensor_keeps_what_its_axes_ask_for():
    params = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((3, 4), (5,), (2, 3, 2))]
    opt = optim.CAME(params)
    for p in params:
        p.grad = torch.ones_like(p)
    opt.step()
    kept = [{key: tuple(value.shape) for key, value in opt.state[p].items()} for p in params]
    assert kept[0] == {
        "exp_avg": (3, 4),
        "exp_avg_sq_row": (3, 1),
        "exp_avg_sq_col": (1, 4),
        "exp_avg_res_row": (3, 1),
        "exp_avg_res_col": (1, 4),
    }
    assert kept[1] == {"exp_avg": (5,), "exp_avg_sq": (5,)}
    assert kept[2]["exp_avg_sq_row"] == (2, 3, 1)
    assert kept[2]["exp_avg_sq_col"] == (2, 1, 2)


@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (4, 2, 2)], ids=str)
@pytest.mark.parametrize(
    ("name", "settings"),
    CASES,
    ids=str,
)
def test_on_numpy(name, settings, shape):
    if name == "SOAP" and shape[0] * shape[0] != np.prod(shape):
        pytest.skip("a factor has not full rank at the first step, and many bases")
    start, gradients = _started(shape)
    p = mytorch.nn.Parameter(start)
    opt = getattr(mytorch.optim, name)([p], **settings)
    for g, wanted in zip(gradients, paper(name)(start, gradients, **settings), strict=True):
        p.grad = g
        opt.step()
        np.testing.assert_allclose(p.data, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_on_torch(name, settings):
    """Square, so that both factors have full rank from the first step, and one basis each."""
    start, gradients = _started((6, 6))
    p = torch.nn.Parameter(torch.tensor(start))
    opt = getattr(optim, name)([p], **settings)
    for g, wanted in zip(gradients, paper(name)(start, gradients, **settings), strict=True):
        p.grad = torch.tensor(g)
        opt.step()
        np.testing.assert_allclose(p.detach().numpy(), wanted, rtol=1e-10, atol=1e-11)


KRON = [
    ({}, (5, 7)),
    ({"lr": 0.01, "weight_decay": 0.1, "precond_lr": 0.5}, (8, 3)),
    ({"momentum": 0.5, "probability": (0.2, 0.7, 0.1, 5.0)}, (4, 4)),
    ({"max_size": 5, "lr": 0.03}, (4, 6)),
    ({"max_size": 5}, (6, 4)),
    ({"max_size": 3}, (4, 2, 2)),
    ({"lr": 0.01}, (4, 2, 3)),
    ({}, (6,)),
    ({}, (1, 5)),
]


@pytest.mark.parametrize(("settings", "shape"), KRON, ids=str)
def test_kron_with_factors_whole_and_diagonal(settings, shape):
    start, gradients = _started(shape)
    p, q = torch.nn.Parameter(torch.tensor(start)), mytorch.nn.Parameter(start)
    opt = optim.PSGDKron([p], seed=5, **settings)
    other = mytorch.optim.PSGDKron([q], seed=5, **settings)
    wanted = papers.psgd_kron(
        start, gradients, lambda t: drawn(5, t, 0, "noise1", shape), **settings
    )
    for g, after in zip(gradients, wanted, strict=True):
        p.grad, q.grad = torch.tensor(g), g
        opt.step()
        other.step()
        np.testing.assert_allclose(p.detach().numpy(), after, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(q.data, after, rtol=1e-10, atol=1e-10)


KRON_KEEPS = [
    ((5, 4), {"left": (5, 5), "right": (4, 4)}),
    ((3, 9), {"left": (3, 3), "right_diagonal": (1, 9)}),
    ((9, 3), {"left_diagonal": (9, 1), "right": (3, 3)}),
    ((9, 1, 9), {"left_diagonal": (9, 1, 1), "right_diagonal": (1, 1, 9)}),
    ((3,), {"left_diagonal": (3,)}),
]


@pytest.mark.parametrize(("shape", "kept"), KRON_KEEPS, ids=str)
def test_kron_keeps_a_matrix_for_no_side_that_is_long(shape, kept):
    made = optim.PSGDKron.chain
    settings = {**made.defaults, "max_size": 8}
    views = made.views(settings, which=made.choice.numbers(shape, settings))
    found = {slot.key: slot.state.shape(shape, views[-1]) for slot in made.live_slots(views)}
    assert found == {"momentum_buffer": shape, **kept}


@pytest.mark.parametrize("name", ["SOAP", "Shampoo"])
def test_what_is_no_matrix_gets_adam(name):
    given = {"lr": 3e-3, "betas": (0.9, 0.99)}
    given = given if name == "SOAP" else {f"others_{key}": value for key, value in given.items()}
    if name == "SOAP":
        given["weight_decay"] = 0.0
    start, gradients = _started((7,))
    found = []
    for make, settings in (
        (getattr(optim, name), given),
        (optim.Adam, {"lr": 3e-3, "betas": (0.9, 0.99)}),
    ):
        p = torch.nn.Parameter(torch.tensor(start))
        opt = make([p], **settings)
        for g in gradients:
            p.grad = torch.tensor(g)
            opt.step()
        found.append(p.detach())
    assert torch.equal(*found)


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-8, 1.0, 1e8])
def test_came_takes_gradients_of_any_size(scale):
    """The product of two means of squares is less than any float32, where neither is."""
    start, gradients = _started((3, 4))
    p = torch.nn.Parameter(torch.tensor(start, dtype=torch.float32))
    opt = optim.CAME([p], lr=0.01)
    scaled = [scale * g for g in gradients[:5]]
    for g, wanted in zip(scaled, papers.came(start, scaled, lr=0.01), strict=True):
        p.grad = torch.tensor(g, dtype=torch.float32)
        opt.step()
        np.testing.assert_allclose(p.detach().numpy(), wanted, rtol=1e-4, atol=1e-5)
