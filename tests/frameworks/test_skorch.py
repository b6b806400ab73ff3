"""skorch takes a class of ours and its settings, clones it, pickles it, searches over it."""

import pickle

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from tests.frameworks.made import (
    INPUTS,
    LABELS,
    LOOKED_AT,
    TWINS,
    assert_close,
    flat,
    network,
    of_ours,
    of_torch,
)

skorch = pytest.importorskip("skorch", reason="skorch is not installed")
from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from skorch.callbacks import LRScheduler  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
X, Y = INPUTS.numpy(), LABELS.numpy()


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, x):
        return self.net(x)


def net_of(make, settings, **more):
    return skorch.NeuralNetClassifier(
        Network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=make,
        **{f"optimizer__{key}": value for key, value in settings.items()},
        max_epochs=4,
        batch_size=16,
        iterator_train__shuffle=False,
        verbose=0,
        train_split=skorch.dataset.ValidSplit(3, stratified=True),
        **more,
    )


@pytest.mark.parametrize("name", TWINS)
def test_it_goes_where_torch_goes_under_a_schedule(name):
    nets = []
    for make, settings in (of_ours(name), of_torch(name)):
        schedule = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5)
        nets.append(net_of(make, settings, callbacks=[("rate", schedule)]).fit(X, Y))
    assert_close(*(flat(net.module_) for net in nets))


def test_groups_by_pattern_get_their_own_settings():
    net = net_of(*of_ours("AdamW"), optimizer__param_groups=[("*.bias", {"weight_decay": 0.0})])
    net.fit(X, Y)
    assert [group["weight_decay"] for group in net.optimizer_.param_groups] == [0.0, 0.01]


def test_a_clone_and_a_pickle_are_the_same_net():
    net = net_of(optim.Ranger, {"lr": 0.01, "k": 5})
    same = clone(net).fit(X, Y)
    net.fit(X, Y)
    assert torch.equal(flat(net.module_), flat(same.module_))
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))
    again.partial_fit(X, Y)
    net.partial_fit(X, Y)
    assert torch.equal(flat(net.module_), flat(again.module_))


def test_a_grid_search_chooses_among_our_settings():
    net = net_of(optim.Ranger, {"lr": 0.01})
    search = GridSearchCV(net, {"optimizer__lr": [1e-4, 0.05], "optimizer__k": [3, 6]}, cv=2)
    search.fit(X, Y)
    assert search.best_params_["optimizer__k"] in (3, 6)
    assert len(search.cv_results_["mean_test_score"]) == 4


@pytest.mark.parametrize("name", LOOKED_AT)
def test_with_the_callback_a_fitted_net_predicts_with_the_weights_to_look_at(name):
    from thalweg.integrations.skorch import EvaluationWeights

    plain = net_of(*LOOKED_AT[name]).fit(X, Y)
    net = net_of(*LOOKED_AT[name], callbacks=[EvaluationWeights()]).fit(X, Y)
    with plain.optimizer_.evaluation():
        assert torch.equal(flat(plain.module_), flat(net.module_))
    assert not torch.equal(flat(plain.module_), flat(net.module_))
    plain.partial_fit(X, Y)
    net.partial_fit(X, Y)
    net.optimizer_.train()
    assert torch.equal(flat(plain.module_), flat(net.module_))
