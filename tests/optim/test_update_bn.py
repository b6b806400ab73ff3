"""`update_bn`: the statistics that torch computes, from batches of any kind."""

import collections
import copy
import types

import pytest
import torch
import torch.optim.swa_utils as torchs
from torch import nn
from torch.nn import Module

import thalweg.optim.swa_utils as ours
from tests.optim.averaged import saved_values
from tests.optim.runs import assert_same, numbers


class Normed(Module):
    def __init__(self, momentum=0.1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 6), nn.BatchNorm1d(6, momentum), nn.Dropout(0.5), nn.Linear(6, 2)
        )
        self.norm = nn.BatchNorm1d(2, momentum=None)

    def forward(self, x, *, extra=0.0):
        return self.norm(self.layers(x) + extra)


def batches(count=5) -> list[torch.Tensor]:
    return [numbers((8, 4), i, torch.float32) + i for i in range(count)]


def normed_pair() -> tuple[Module, Module]:
    """Two alike, with statistics that must be forgotten."""
    model = Normed()
    model(3 * batches()[-1])
    return model, copy.deepcopy(model)


SHAPED = {
    "tensors": lambda x: x,
    "lists": lambda x: [x, torch.zeros(8)],
    "tuples": lambda x: (x, "labels"),
    "named tuples": collections.namedtuple("Batch", "x y")._make,
}


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("kind", ["tensors", "lists", "tuples"])
def test_statistics_are_torchs(kind, device):
    mine, theirs = normed_pair()
    for module, model in ((ours, mine), (torchs, theirs)):
        torch.manual_seed(7)  # for the dropout, which is on in both
        module.update_bn(map(SHAPED[kind], batches()), model, device)
    assert_same(saved_values(mine), saved_values(theirs))
    assert mine.layers[1].num_batches_tracked == 5
    assert (mine.layers[1].momentum, mine.norm.momentum) == (0.1, None)


Pair = collections.namedtuple("Pair", "x y")
BATCHES = {
    "a mapping": (lambda x: {"x": x, "extra": torch.ones(())}, None),
    "its own kind of mapping": (lambda x: collections.UserDict(x=x, extra=torch.ones(())), None),
    "a function for tensors": (lambda x: x, lambda m, x: m(x, extra=1.0)),
    "a function for mappings": (
        lambda x: {"image": x, "name": "seven", "one": torch.ones(())},
        lambda m, batch: m(batch["image"], extra=batch["one"]),
    ),
    "a function for tuples": (
        lambda x: Pair([x], {"more": torch.ones(())}),
        lambda m, pair: m(pair.x[0], extra=pair.y["more"]),
    ),
    "a function for what has no tensors": (lambda x: x.tolist(), lambda m, x: m(torch.tensor(x))),
}


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("kind", BATCHES)
def test_any_batch_makes_the_same_statistics(kind, device):
    shaped, forward = BATCHES[kind]
    mine, theirs = normed_pair()
    torch.manual_seed(7)
    ours.update_bn(map(shaped, batches()), mine, device, forward=forward)
    theirs.forward = types.MethodType(
        lambda self, x: Normed.forward(self, x, extra=0.0 if "no tensors" in kind else 1.0), theirs
    )
    torch.manual_seed(7)
    torchs.update_bn(batches(), theirs)
    assert_same(saved_values(mine), saved_values(theirs))


def test_a_batch_is_moved_whatever_its_tensors_are_in():
    seen = []

    def forward(model, batch):
        seen.append((batch["x"][0].device.type, batch["pair"].y["z"].device.type, batch["name"]))

    batch = {"x": [torch.ones(1)], "pair": Pair(1, {"z": torch.ones(1)}), "name": "seven"}
    ours.update_bn([batch], Normed(), "meta", forward=forward)
    assert seen == [("meta", "meta", "seven")]


def test_statistics_of_an_averaged_model_are_made_anew():
    model = Normed()
    ema = ours.AveragedModel(model, shallow=True)
    ema.update_parameters(model)
    before = model.norm.running_mean.clone()
    ours.update_bn(batches(), ema)
    assert ema.module.norm.num_batches_tracked == 5
    assert_same([model.norm.running_mean], [before])


@pytest.mark.parametrize("error", [None, ArithmeticError])
def test_modules_come_back_in_their_own_modes(error):
    """Torch sets all of them to the model's mode, and leaves them so if a batch fails."""
    model = Normed()
    model.layers.eval()

    def forward(model, x):
        assert all(m.training for m in model.modules())
        assert not torch.is_grad_enabled()
        if error is not None:
            raise error
        model(x)

    if error is None:
        ours.update_bn(batches(), model, forward=forward)
    else:
        with pytest.raises(error):
            ours.update_bn(batches(), model, forward=forward)
    assert (model.training, model.norm.training) == (True, True)
    assert not any(m.training for m in model.layers.modules())
    assert model.layers[1].momentum == 0.1


def test_a_loader_without_batches_is_refused_and_changes_nothing():
    """Torch leaves statistics of nothing behind: mean 0, variance 1."""
    model = Normed()
    model(batches()[1])
    before = saved_values(model)
    with pytest.raises(ValueError, match=r"^update_bn: loader must give at least one batch, got n"):
        ours.update_bn(iter([]), model)
    assert_same(saved_values(model), before)


def test_a_model_without_batch_norms_asks_for_no_batch():
    ours.update_bn(iter(lambda: pytest.fail("asked"), None), nn.Linear(2, 2))


def test_a_batch_may_be_anything_the_model_takes():
    """As in torch: what is no tensor and no collection goes to the model as it is."""
    model = Normed()
    model.forward = types.MethodType(lambda self, n: Normed.forward(self, batches()[n]), model)
    ours.update_bn(range(3), model)
    assert model.norm.num_batches_tracked == 3
