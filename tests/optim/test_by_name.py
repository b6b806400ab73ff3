"""An optimizer by its name, at both borders: in any case, with the closest one for a wrong one."""

import re

import numpy as np
import pytest
import torch

from thalweg import mytorch, naming, optim
from thalweg.mytorch import optim as of_numpy
from thalweg.optimizers import OPTIMIZERS

BORDERS = {
    "torch": (optim, torch.nn.Linear),
    "mytorch": (of_numpy, mytorch.nn.Linear),
}


@pytest.fixture(params=BORDERS)
def border(request):
    """The module of a border, and a model there."""
    home, layer = BORDERS[request.param]
    return home, layer(3, 2)


def test_every_name_makes_its_class(border):
    home, _ = border
    assert set(OPTIMIZERS) <= set(home.names())
    assert home.names() == sorted(home.names(), key=str.lower)
    for name in home.names():
        p = torch.nn.Parameter(torch.ones(3, 2))
        if home is of_numpy:
            p = mytorch.nn.Parameter(np.ones((3, 2)))
        made = home.create(name, [p])
        assert type(made) is getattr(home, name)


@pytest.mark.parametrize(
    "typed",
    ["ScheduleFreeAdamW", "schedulefreeadamw", "schedule_free_adamw", "Schedule-Free-AdamW"],
)
def test_case_underscores_and_hyphens_do_not_count(border, typed):
    home, model = border
    assert type(home.create(typed, model)) is home.ScheduleFreeAdamW


def test_settings_are_those_of_the_class(border):
    home, model = border
    made = home.create("lion", model.parameters(), lr=0.5, betas=(0.8, 0.9), weight_decay=0.1)
    group = made.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.5, (0.8, 0.9), 0.1)


def test_without_lr_it_is_the_default_of_the_class(border):
    home, model = border
    default = OPTIMIZERS["Lion"].settings["lr"].default
    assert home.create("lion", model).param_groups[0]["lr"] == default


def test_biases_of_a_model_do_not_decay_if_that_is_asked(border):
    home, model = border
    made = home.create("adamw", model, decay_filter="no_bias_norm")
    assert made.spared == [["bias"]]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lyon", "Lion"), ("adma", "Adam"), ("soaap", "SOAP"), ("adam_w1", "AdamW")],
)
def test_a_wrong_name_is_told_the_closest_one(border, typed, meant):
    home, model = border
    sentence = (
        f"create: no optimizer is called {typed!r} (did you mean {meant}?); names() has every name"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        home.create(typed, model)


def test_a_setting_that_there_is_not_is_told_by_the_class(border):
    home, model = border
    with pytest.raises(TypeError, match="Lion: unknown name 'beta'; did you mean 'betas'"):
        home.create("lion", model, beta=0.9)


def test_no_two_names_are_the_same_but_for_case_and_underscores():
    known = optim.names()
    assert [naming.found(name.upper(), known) for name in known] == known


@pytest.mark.parametrize("given", [None, 3])
def test_a_name_that_is_no_string_is_refused(border, given):
    home, model = border
    with pytest.raises(TypeError, match="create: an optimizer's name must be a string, got"):
        home.create(given, model)
