"""torch's average of the same parameters, and what the tests of averages read."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import Parameter
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tests.optim.runs import (
    ours,
    reloaded,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA

AVERAGES = [EMA(0.9), SWA(), SWA(start=7, every=5)]
of_averages = pytest.mark.parametrize("average", AVERAGES, ids=repr)
ways = pytest.mark.parametrize("way", ["file", "deepcopy", "pickle"])


def params_of(opt) -> list[Parameter]:
    return [p for group in opt.param_groups for p in group["params"]]


def averages_of(opt) -> list[torch.Tensor]:
    return [opt.state[p]["average"] for p in params_of(opt)]


def clones(params) -> list[Parameter]:
    return [Parameter(p.detach().clone()) for p in params]


class Torchs:
    """torch's average of the same parameters, told of every step."""

    def __init__(self, params, average, dtype=None):
        self.model = nn.ParameterList(params)
        function = get_ema_multi_avg_fn(average.decay) if isinstance(average, EMA) else None
        self.averaged = AveragedModel(self.model, multi_avg_fn=function)
        self.dtype = dtype
        self.average = average
        if dtype is not None:
            self.averaged.to(dtype)

    def hear_of(self, t: int) -> None:
        """Step t, from 1, has been taken."""
        if isinstance(self.average, SWA):
            since = t - self.average.start
            if since < 0 or since % self.average.every:
                return
        wide = copy.deepcopy(self.model).to(self.dtype) if self.dtype else self.model
        self.averaged.update_parameters(wide)

    def values(self) -> list[torch.Tensor]:
        return list(self.averaged.parameters())


def continued(opt, way, make=None):
    """The optimizer after a trip, over parameters of its own; `make` is the one that loads."""
    if way != "file":
        return copy.deepcopy(opt) if way == "deepcopy" else pickle.loads(pickle.dumps(opt))
    after = make(clones(params_of(opt)))
    after.load_state_dict(reloaded(opt.state_dict()))
    return after


def trained(average=None, name="AdamW", steps=8, **settings):
    params, average = weights(), average or EMA(0.5)
    opt = ours(name, params, average=average, **settings)
    walk(opt, steps)
    return params, opt
