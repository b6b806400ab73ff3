"""On torch a path is that of mytorch; what there is for torch alone walks there too."""

import numpy as np
import pytest

from thalweg.lab.errors import UserError
from thalweg.lab.landscape.entrants import Entrant, entrant, entrants, out_of_place
from thalweg.lab.landscape.page import page_text
from thalweg.lab.landscape.race import Plan, race
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.walking import Apart, apart, path, walk
from thalweg.optimizers import OPTIMIZERS

pytest.importorskip("torch")

BEALE, BOOTH = SURFACES["beale"], SURFACES["booth"]

# torch keeps a number of theirs, mu_product and eta, in single precision
IN_SINGLE = ("NAdam", "ASGD")

WALKING = [name for name, made in OPTIMIZERS.items() if not out_of_place(made)]


def same_path(one: Entrant, other: Entrant, lr: float, noise=None) -> None:
    found, expected = (path(each, BEALE, BEALE.start, lr, 40, noise) for each in (one, other))
    assert np.isfinite(expected).all()
    assert np.abs(np.diff(expected, axis=0)).max() > 0
    # forty steps on a surface whose slopes differ by 1e3: a hundred roundings at the most
    rtol = 1e-6 if one.name in IN_SINGLE else 1e-11
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("name", WALKING)
def test_both_frameworks_walk_the_same_path(name):
    noise = np.random.default_rng(0).normal(size=(40, 2))
    same_path(entrant(name, "torch"), entrant(name), 1e-3, noise)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RAdam", "RMSprop", "NAdam"])
def test_torchs_own_walk_as_ours_do(name):
    same_path(entrant(f"torch.optim:{name}", "torch"), entrant(name, "torch"), 1e-2)


def test_those_of_torch_know_nothing_of_each_other():
    one = entrant("torch.optim:Adam", "torch")
    assert apart(one) is Apart.OPTIMIZERS
    starts, rates = np.array([[0.5, -1.0], [1.0, 1.2]]), np.array([0.03, 0.01])
    together = np.stack(list(walk(one, BEALE, starts, rates, 10)))
    alone = [path(one, BEALE, tuple(s), r, 10) for s, r in zip(starts, rates, strict=True)]
    np.testing.assert_array_equal(together, np.stack(alone, axis=1))


@pytest.mark.parametrize("spec", ["lbfgs", 'torch.optim:LBFGS(line_search_fn="strong_wolfe")'])
def test_one_that_evaluates_within_its_step_gets_there(spec):
    places = path(entrant(spec, "torch"), BOOTH, BOOTH.start, 1.0, 5)
    np.testing.assert_allclose(places[-1], BOOTH.minima[0], atol=1e-6)


def test_torch_s_adafactor_walks_too():
    places = path(entrant("torch.optim:Adafactor", "torch"), BOOTH, BOOTH.start, 0.05, 20)
    assert BOOTH.height(places[-1]) < BOOTH.height(places[0])


def test_the_gradient_of_sam_is_that_where_it_asks():
    places = path(entrant("sam(rho=0.1)", "torch"), BOOTH, (1.0, 1.0), 0.01, 1)
    g = BOOTH.gradient(np.array([1.0, 1.0]))
    there = BOOTH.gradient(np.array([1.0, 1.0]) + 0.1 * g / np.linalg.norm(g))
    np.testing.assert_allclose(places[1], places[0] - 0.01 * there, rtol=1e-9)


def test_labels_say_whose_it_is():
    specs = ["adamw, torch.optim:AdamW", "torch.optim:SGD(momentum=0.5)", "lbfgs"]
    found = entrants(specs, ["torch.optim:AdamW=0.1"], "torch")
    assert [(one.label, one.lr) for one in found] == [
        ("AdamW", None),
        ("torch.optim:AdamW", 0.1),
        ("torch.optim:SGD(momentum=0.5)", None),
        ("LBFGS", None),
    ]


@pytest.mark.parametrize(
    ("spec", "backend", "sentence"),
    [
        ("sophia", "torch", r"^Sophia cannot take part: it asks for targets drawn from a model's"),
        ("torch.optim:AdamW", "mytorch", r"cannot take part with --backend mytorch: an optimizer"),
        ("torch.optim:Muon", "torch", r"cannot take part with --backend torch: .* ValueError"),
        ("torch.optim:AdamW(beta=1)", "torch", r"unexpected keyword argument 'beta'"),
        ("torch:tensor", "torch", r"^torch:tensor must be a rule, such as"),
        ("adam", "jax", r"^--backend must be mytorch or torch, got 'jax'"),
    ],
)
def test_who_cannot_take_part_is_said(spec, backend, sentence):
    with pytest.raises(UserError, match=sentence):
        entrant(spec, backend)


def test_a_race_is_plain_data_and_its_page_says_whom_it_lacks():
    plan = Plan(BEALE.start, 20, budget=3)
    found = race(BEALE, entrants(["adam", "sam", "torch.optim:AdamW"], (), "torch"), plan)
    assert [run.places.shape for run in found.runs] == [(21, 2)] * 3
    text, lacking = page_text(found)
    assert '"Adam": {' in text
    assert lacking == [
        "landscape.html is without SAM: SAM asks for a gradient at other weights, and the page "
        "gives none",
        "landscape.html is without torch.optim:AdamW: AdamW is no rule, which could be written as "
        "JavaScript",
    ]
