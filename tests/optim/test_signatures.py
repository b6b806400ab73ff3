"""The classes look like torch's: signatures, defaults, group keys, what they are and are not."""

import inspect
import pydoc
import subprocess
import sys

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import EVERY, NAMESAKES, OURS, TWINS, ours, weights

POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def arguments(cls, kind) -> list[tuple[str, object]]:
    parameters = inspect.signature(cls).parameters.values()
    return [(p.name, p.default) for p in parameters if p.kind is kind]


def one_group(cls) -> dict:
    (group,) = cls([Parameter(torch.zeros(1))]).param_groups
    return {key: value for key, value in group.items() if key != "params"}


def test_the_cases_know_what_torch_has():
    assert [name for name in EVERY if hasattr(torch.optim, name)] == NAMESAKES


@pytest.mark.parametrize("name", NAMESAKES)
def test_positional_arguments_are_torchs_in_order_and_with_its_defaults(name):
    have = arguments(getattr(optim, name), POSITIONAL)
    assert have == arguments(getattr(torch.optim, name), POSITIONAL)


@pytest.mark.parametrize("name", NAMESAKES)
def test_keyword_arguments_are_torchs_and_perhaps_more(name):
    have = arguments(getattr(optim, name), KEYWORD)
    assert set(arguments(getattr(torch.optim, name), KEYWORD)) <= set(have)


@pytest.mark.parametrize("name", NAMESAKES)
def test_a_group_holds_what_torchs_holds_and_perhaps_more(name):
    want = one_group(getattr(torch.optim, name))
    have = one_group(getattr(optim, name))
    assert {key: have.get(key, "missing") for key in want} == want


def test_ranger_has_the_arguments_it_was_announced_with():
    assert arguments(optim.Ranger, POSITIONAL) == [
        ("params", inspect.Parameter.empty),
        ("lr", 1e-3),
        ("betas", (0.95, 0.999)),
        ("eps", 1e-5),
        ("weight_decay", 0),
        ("alpha", 0.5),
        ("k", 6),
        ("n_sma_threshold", 5),
        ("use_gc", True),
        ("gc_conv_only", False),
    ]
    assert ("maximize", False) in arguments(optim.Ranger, KEYWORD)


def test_ranger_takes_the_reference_spelling_of_its_threshold():
    p = Parameter(torch.zeros(1))
    (group,) = optim.Ranger([p], N_sma_threshhold=4.5).param_groups
    assert group["n_sma_threshold"] == 4.5
    assert "N_sma_threshhold" not in group


def test_ranger_takes_the_reference_spelling_in_a_group():
    p = Parameter(torch.zeros(1))
    (group,) = optim.Ranger([{"params": [p], "N_sma_threshhold": 4.5}]).param_groups
    assert group["n_sma_threshold"] == 4.5


@pytest.mark.parametrize("name", EVERY)
def test_every_class_takes_the_flags_that_frameworks_pass(name):
    flags = {"foreach": True, "maximize": True, "capturable": True, "differentiable": True}
    (group,) = ours(name, weights(), **flags).param_groups
    assert {key: group[key] for key in flags} == flags
    assert ours(name, weights(), fused=True).param_groups[0]["fused"] is True


@pytest.mark.parametrize("name", EVERY)
def test_a_class_is_an_optimizer_of_torchs_and_none_but_that_of_its_name(name):
    cls = getattr(optim, name)
    assert issubclass(cls, torch.optim.Optimizer)
    # frameworks treat subclasses of these as the classes themselves, or replace them: AdamW must
    # be told from Adam, whose decay is another
    theirs = [getattr(torch.optim, n) for n in torch.optim.__all__]
    passed_for = {other for other in theirs if inspect.isclass(other) and issubclass(cls, other)}
    own = getattr(torch.optim, name, torch.optim.Optimizer)
    assert passed_for == {other for other in theirs if other in own.__mro__}


@pytest.mark.parametrize("name", EVERY)
def test_a_class_has_nothing_that_frameworks_trip_over(name):
    opt = ours(name, weights())
    assert not callable(opt)  # fastai tells classes from instances by this
    assert not hasattr(opt, "consolidate_state_dict")  # Lightning takes it for ZeRO
    assert not any("__slots__" in vars(base) for base in type(opt).__mro__[:-1])
    assert inspect.isfunction(type(opt).step)
    assert opt.step.__func__ is type(opt).step
    assert list(inspect.signature(opt.step).parameters) == ["closure"]


@pytest.mark.parametrize("name", EVERY)
def test_a_class_says_where_it_lives(name):
    cls = getattr(optim, name)
    assert (cls.__name__, cls.__qualname__, cls.__module__) == (name, name, "thalweg.optim")


@pytest.mark.parametrize("name", EVERY)
def test_help_shows_the_signature_and_the_paper(name):
    page = pydoc.plain(pydoc.render_doc(getattr(optim, name)))
    assert f"class {name}(" in page
    lr = getattr(optim, name).chain.defaults["lr"]
    assert f"lr: float | torch.Tensor = {lr}, " in page
    assert "Paper: " in page


@pytest.mark.parametrize("name", TWINS)
def test_printing_an_optimizer_shows_its_groups_as_torch_does(name):
    settings = OURS[name]
    have = repr(getattr(optim, name)(weights(), **settings)).splitlines()
    want = repr(getattr(torch.optim, name)(weights(), **settings)).splitlines()
    assert have[:2] == want[:2]
    # a setting left at 0 is 0 in torch and 0.0 here
    assert {line.replace(": 0.0", ": 0") for line in have} >= {
        line.replace(": 0.0", ": 0") for line in want
    }


def test_settings_can_be_given_by_position():
    (group,) = optim.SGD(weights(), 0.1, 0.9, 0.0, 1e-4, True).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.9, 1e-4)
    assert group["nesterov"] is True


@pytest.mark.parametrize("name", torch.optim.__all__)
def test_every_name_of_torch_optim_is_here(name):
    have = getattr(optim, name)
    assert have is getattr(torch.optim, name) or name in optim.__all__


def test_submodules_import_as_those_of_torch_optim():
    from thalweg.optim import lr_scheduler, swa_utils
    from thalweg.optim.lr_scheduler import CosineAnnealingLR
    from thalweg.optim.swa_utils import AveragedModel

    assert lr_scheduler.CosineAnnealingLR is CosineAnnealingLR
    assert swa_utils.AveragedModel is AveragedModel
    for mine in (lr_scheduler, swa_utils):
        theirs = getattr(torch.optim, mine.__name__.rpartition(".")[2])
        assert set(theirs.__all__) <= set(mine.__all__)


def test_submodules_are_ours_however_they_are_reached():
    code = (
        "import torch, torch.optim.lr_scheduler\n"
        "import thalweg.optim as optim\n"
        "print(optim.lr_scheduler.__name__, optim.swa_utils.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["thalweg.optim.lr_scheduler", "thalweg.optim.swa_utils"]


def test_a_name_that_nobody_has_is_an_import_error():
    with pytest.raises(AttributeError, match="Sgd"):
        optim.Sgd  # noqa: B018
    assert not hasattr(optim, "__wrapped__")
