"""timm makes an optimizer of ours by its name."""

import importlib.util

import pytest

import thalweg.optim as optim
from tests.frameworks import torchvision_stand_in
from tests.frameworks.made import INPUTS, LABELS, assert_close, flat, loss_of, network

if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)
torchvision_stand_in.install()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def names():
    from thalweg.integrations.timm import register

    return register()


def trained(net, opt, scheduler=None, average=None, steps=10):
    for t in range(steps):
        opt.zero_grad()
        loss_of(net(INPUTS), LABELS).backward()
        opt.step()
        if scheduler is not None:
            scheduler.step(t + 1)
        if average is not None:
            average.update(net)
    return flat(net)


def test_every_optimizer_that_decays_has_a_name(names):
    from timm.optim import list_optimizers

    assert {"thalwegranger", "thalwegadamw", "thalweglion"} <= set(names)
    assert set(names) <= set(list_optimizers())


def test_the_factory_makes_its_groups_and_hands_on_the_settings(names):
    from timm.optim import create_optimizer_v2

    opt = create_optimizer_v2(network(), "thalwegranger", lr=0.01, weight_decay=0.1, k=5)
    assert isinstance(opt, optim.Ranger)
    assert [group["weight_decay"] for group in opt.param_groups] == [0.0, 0.1]
    assert {group["k"] for group in opt.param_groups} == {5}


@pytest.mark.parametrize("name", ["adamw", "sgd", "rmsprop", "nadam"])
def test_by_name_it_goes_where_torch_goes(names, name):
    from timm.optim import create_optimizer_v2

    more = {"sgd": {"nesterov": False}, "rmsprop": {"alpha": 0.9}}.get(name, {})
    theirs = {"sgd": "momentum"}.get(name, name)
    weights = []
    for made in (f"thalweg{name}", theirs):
        net = network()
        opt = create_optimizer_v2(net, made, lr=0.01, weight_decay=0.05, **more)
        weights.append(trained(net, opt))
    assert_close(*weights)


@pytest.mark.parametrize(
    "name", ["thalwegranger", "thalwegmuon", "thalwegadan", "thalwegsoap", "thalweglamb"]
)
def test_others_descend_under_its_schedule_and_its_average(names, name):
    from timm.optim import create_optimizer_v2
    from timm.scheduler import CosineLRScheduler
    from timm.utils import ModelEmaV3

    if name not in names:
        pytest.skip(f"there is no {name}")
    net = network()
    if name == "thalwegmuon":  # weights alone: a bias is no matrix
        params = [p for p in net.parameters() if p.ndim == 2]
        opt = create_optimizer_v2(params, name, lr=0.02)
    else:
        opt = create_optimizer_v2(net, name, lr=0.02, weight_decay=0.01)
    before = loss_of(net(INPUTS), LABELS)
    trained(net, opt, CosineLRScheduler(opt, t_initial=20), ModelEmaV3(net, decay=0.9), 20)
    assert loss_of(net(INPUTS), LABELS) < before
