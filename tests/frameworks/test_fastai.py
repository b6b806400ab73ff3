"""fastai trains with a class of ours in its wrapper as with torch's.

It asks for torchvision, which has no build beside a CPU torch, and for spaCy: its learner imports
neither, so it is installed without what it asks for, and no stand-in is needed.
"""

import warnings
from functools import partial

import pytest
import torch

from tests.frameworks.made import LOOKED_AT, assert_close, dataset, flat, loss_of, network

with warnings.catch_warnings():  # torch's, of what fastai does as it is imported
    warnings.simplefilter("ignore")
    pytest.importorskip("fastai.learner", reason="fastai is not installed")
    from fastai.callback.core import Callback
    from fastai.callback.schedule import Learner
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.optimizer import OptimWrapper

import thalweg.optim as optim

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Seen(Callback):
    """Keeps the weights that are validated."""

    def after_validate(self):
        self.learn.looked_at = [*getattr(self.learn, "looked_at", []), flat(self.learn.model)]


def learner(folder, make, settings, *callbacks):
    loaders = DataLoaders(*(DataLoader(dataset(), bs=16, num_workers=0) for _ in range(2)))
    return Learner(
        loaders,
        network(),
        loss_func=loss_of,
        opt_func=partial(OptimWrapper, opt=make, **settings),
        path=folder,
        cbs=[Seen(), *callbacks],
    )


def fitted(learn, epochs=3, one_cycle=False):
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(epochs, 0.01) if one_cycle else learn.fit(epochs, 0.02)
    return learn


@pytest.mark.parametrize("name", ["AdamW", "RMSprop", "SGD"])
def test_it_goes_where_torch_goes_through_one_cycle_of_rate_and_momentum(tmp_path, name):
    settings = {"momentum": 0.9} if name == "SGD" else {}
    both = [
        fitted(learner(tmp_path, getattr(one, name), settings), one_cycle=True)
        for one in (optim, torch.optim)
    ]
    assert_close(*(flat(learn.model) for learn in both))


@pytest.mark.parametrize("name", LOOKED_AT)
def test_the_callback_validates_and_ends_on_the_weights_to_look_at(tmp_path, name):
    from thalweg.integrations.fastai import EvaluationWeights

    make, settings = LOOKED_AT[name]
    settings = {key: value for key, value in settings.items() if key != "lr"}
    plain = fitted(learner(tmp_path, make, settings))
    learn = fitted(learner(tmp_path, make, settings, EvaluationWeights()))
    with plain.opt.opt.evaluation():
        assert torch.equal(flat(plain.model), learn.looked_at[-1])
        assert torch.equal(flat(plain.model), flat(learn.model))
    assert not torch.equal(flat(plain.model), flat(learn.model))
    fitted(plain, 2)
    fitted(learn, 2)
    learn.opt.opt.train()
    assert torch.equal(flat(plain.model), flat(learn.model))


def test_what_is_saved_is_looked_at_and_goes_on_all_the_same(tmp_path):
    from thalweg.integrations.fastai import EvaluationWeights

    made = [learner(tmp_path, optim.Ranger, {"k": 5}, EvaluationWeights()) for _ in range(2)]
    whole, again = made
    fitted(whole)
    whole.save("there")
    again.create_opt()
    again.load("there")
    assert torch.equal(flat(again.model), whole.looked_at[-1])
    for learn in made:
        fitted(learn, 2)
        learn.opt.opt.train()
    assert torch.equal(flat(whole.model), flat(again.model))


def test_an_optimizer_of_torch_is_left_alone(tmp_path):
    from thalweg.integrations.fastai import EvaluationWeights

    plain = fitted(learner(tmp_path, torch.optim.AdamW, {}))
    other = fitted(learner(tmp_path, torch.optim.AdamW, {}, EvaluationWeights()))
    assert torch.equal(flat(plain.model), flat(other.model))
