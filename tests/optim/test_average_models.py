"""The average that a step keeps is loaded into a model."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import Module

from tests.optim.runs import (
    assert_same,
    give_gradients,
    ours,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA


class Net(Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3, dtype=torch.float64)
        self.norm = nn.BatchNorm1d(3, dtype=torch.float64)
        self.outer = nn.Linear(3, 3, dtype=torch.float64)
        self.outer.bias = self.inner.bias  # tied


def fitted(groups=lambda model: model.parameters(), **settings):
    model = Net()
    opt = ours("AdamW", groups(model), average=EMA(0.5), **settings)
    walk(opt, 4)
    average = {p: opt.state[p]["average"] for p in model.parameters()}
    return model, opt, {n: average[p].clone() for n, p in model.named_parameters()}


def in_two_groups(model):
    named = list(model.named_parameters())
    return [{"params": [pair for pair in named if pair[1].dim() == d]} for d in (1, 2)]


def test_the_optimizers_own_model_takes_its_averages():
    model, opt, want = fitted()
    model.norm.running_mean.fill_(7.0)
    opt.load_averaged(model)
    assert_same(model.parameters(), want.values())
    assert model.outer.bias is model.inner.bias
    assert model.norm.running_mean.tolist() == [7.0] * 3
    walk(opt, 1, start=4)


@pytest.mark.parametrize(
    "groups",
    [
        lambda model: model.parameters(),
        lambda model: model.named_parameters(),
        in_two_groups,
        lambda model: list(model.named_parameters())[::-1],
    ],
    ids=["by order", "by name", "by name in groups", "by name in another order"],
)
def test_another_model_takes_the_averages(groups):
    model, opt, want = fitted(groups)
    other, before = copy.deepcopy(model), values(model.parameters())
    opt.load_averaged(other)
    assert_same([dict(other.named_parameters())[n] for n in want], want.values())
    assert_same(model.parameters(), before)
    assert all(p.requires_grad and p.is_leaf for p in other.parameters())


def test_groups_without_names_are_not_taken_for_the_models_order():
    """Weights first and biases after them: a norm's weight and another's bias are of one shape."""
    model = nn.Sequential(nn.LayerNorm(3), nn.LayerNorm(3)).double()
    groups = [{"params": [norm.weight for norm in model]}, {"params": [n.bias for n in model]}]
    opt = ours("AdamW", groups, average=EMA(0.5))
    walk(opt, 3)
    other = copy.deepcopy(model)
    with pytest.raises(ValueError, match=r"^AdamW\.load_averaged: .*named_parameters"):
        opt.load_averaged(other)
    opt.load_averaged(model)
    assert_same(model.parameters(), [opt.state[p]["average"] for p in model.parameters()])


def test_a_named_optimizer_may_be_of_a_part_of_the_model():
    model = Net()
    pairs = [("outer.weight", model.outer.weight)]
    opt = ours("AdamW", pairs, average=EMA(0.5))
    walk(opt, 3)
    other = copy.deepcopy(model)
    opt.load_averaged(other)
    assert_same([other.outer.weight], [opt.state[model.outer.weight]["average"]])
    assert_same([other.inner.weight], [model.inner.weight])


def test_averages_are_loaded_into_another_type():
    model, opt, want = fitted()
    other = copy.deepcopy(model).bfloat16()
    opt.load_averaged(other)
    assert_same(other.parameters(), [value.bfloat16() for value in want.values()])


def test_a_parameter_without_an_average_is_loaded_as_it_is():
    params = weights([(3,), (2,)])
    opt = ours("AdamW", params, average=EMA(0.5))
    for t in range(3):
        give_gradients(params[:1], t)
        opt.step()
    other = nn.ParameterList(torch.zeros_like(p) for p in params)
    opt.load_averaged(other)
    assert_same(other, [opt.state[params[0]]["average"], params[1]])


REFUSED = {
    "missing names": (
        lambda model: model.named_parameters(),
        lambda: nn.Linear(3, 3, dtype=torch.float64),
        r"the model must have the optimizer's parameters; it lacks 'inner\.weight', 'inner\.bias', "
        r"'norm\.weight', 'norm\.bias', 'outer\.weight'$",
    ),
    "another number": (
        lambda model: model.parameters(),
        lambda: nn.Linear(3, 3, dtype=torch.float64),
        r"the model must have the optimizer's 5 parameters, got 2; made from named_parameters\(\)",
    ),
    "other shapes": (
        lambda model: model.parameters(),
        lambda: nn.ParameterList(torch.zeros(s) for s in ((3, 3), (3,), (3,), (3,), (1, 3))),
        r"the model's parameters must have the shapes of the optimizer's, got \(1, 3\) for \(3",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_model_that_does_not_fit_is_refused_and_stays_as_it_is(what):
    groups, make, words = REFUSED[what]
    _, opt, _ = fitted(groups)
    other = make()
    before = values(other.parameters())
    with pytest.raises(ValueError, match=rf"^AdamW\.load_averaged: {words}"):
        opt.load_averaged(other)
    assert_same(other.parameters(), before)
