"""The classes made at run time have types that programs read: command lines are made of them."""

import inspect
import typing
from collections.abc import Callable, Iterable

import pytest
import torch
from torch.nn import Parameter

import thalweg.mytorch.optim as mytorch
import thalweg.optim as optim
from tests.optim.runs import EVERY, walk, weights
from thalweg.averaging import Average

ALL = [*EVERY, "Adafactor", "Muon", "LBFGS"]


def kinds(annotation):
    """The classes that a type allows, as far as `isinstance` can ask."""
    found = typing.get_args(annotation) or (annotation,)
    return tuple(one for one in found if isinstance(one, type))


@pytest.mark.parametrize("name", ALL)
def test_every_argument_has_a_type_in_signature_and_hints(name):
    made = getattr(optim, name).__init__
    parameters = dict(inspect.signature(made).parameters)
    hints = typing.get_type_hints(made)
    parameters.pop("self")
    assert set(hints) == {*parameters, "return"}
    assert hints["return"] is type(None)


@pytest.mark.parametrize("name", EVERY)
def test_a_default_is_of_its_type(name):
    made = getattr(optim, name).__init__
    hints = typing.get_type_hints(made)
    for one in list(inspect.signature(made).parameters.values())[2:]:
        hint = hints[one.name]
        assert one.annotation == hint
        if typing.get_origin(hint) is typing.Literal:
            assert one.default in typing.get_args(hint)
        elif typing.get_origin(hint) is tuple:
            assert len(typing.get_args(hint)) == len(one.default)
        elif one.name != "decay_filter":
            assert isinstance(one.default, kinds(hint))


def test_the_types_are_those_that_a_user_would_write():
    hints = typing.get_type_hints(optim.Ranger.__init__)
    number = float | torch.Tensor
    assert hints["lr"] == number
    assert hints["betas"] == tuple[number, number]
    assert hints["k"] is int
    assert hints["use_gc"] is bool
    assert hints["warmup_mode"] == typing.Literal["sgd", "skip"]
    assert hints["average"] == Average | None


@pytest.mark.parametrize("name", ["AdamW", "Ranger", "Rprop", "ASGD"])
def test_those_on_numpy_have_them_too(name):
    made = getattr(mytorch, name).__init__
    assert set(typing.get_type_hints(made)) == {*inspect.signature(made).parameters} - {"self"} | {
        "return"
    }
    assert typing.get_type_hints(made)["lr"] is float


def optimizer(params, *arguments):
    """What a program with `--optimizer` makes of a command line, as LightningCLI does."""
    jsonargparse = pytest.importorskip("jsonargparse")
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    kind = Callable[[Iterable[torch.Tensor]], torch.optim.Optimizer]
    parser.add_argument("--optimizer", type=kind)
    config = parser.parse_args([f"--optimizer{one}" for one in arguments])
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    return instantiate(config).optimizer(params)


@pytest.mark.parametrize("name", EVERY)
def test_lightnings_own_way_of_adding_an_optimizer_finds_the_rate(name):
    jsonargparse = pytest.importorskip("jsonargparse")
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(
        torch.optim.Optimizer, "optimizer", skip={"params"}, instantiate=False, fail_untyped=False
    )
    given = parser.parse_args([f"--optimizer=thalweg.optim.{name}", "--optimizer.lr=0.015"])
    opt = getattr(optim, name)(weights(), **given.optimizer.init_args)
    assert opt.param_groups[0]["lr"] == 0.015


@pytest.mark.parametrize("name", EVERY)
def test_a_command_line_sets_the_rate(name):
    opt = optimizer(weights(), f"=thalweg.optim.{name}", ".lr=0.015")
    assert opt.param_groups[0]["lr"] == 0.015


@pytest.mark.parametrize("name", ["Adafactor", "LBFGS"])
def test_of_the_written_classes_too(name):
    opt = optimizer([Parameter(torch.ones(2, 2))], f"=thalweg.optim.{name}", ".lr=0.015")
    assert opt.param_groups[0]["lr"] == 0.015


def test_a_command_line_sets_all_else():
    opt = optimizer(
        weights(),
        "=thalweg.optim.AdamW",
        ".betas=[0.5, 0.75]",
        ".decay_filter=no_bias_norm",
        ".state_dtype=float32",
        ".average=thalweg.averaging.EMA",
        ".average.decay=0.75",
    )
    (group,) = opt.param_groups
    assert group["betas"] == (0.5, 0.75)
    assert (group["decay_filter"], group["state_dtype"]) == ("no_bias_norm", "float32")
    assert (group["average"], group["average_decay"]) == ("ema", 0.75)
    walk(opt, 2)


def test_rangers_k_is_an_integer_there():
    opt = optimizer(weights(), "=thalweg.optim.Ranger", ".k=4", ".warmup_mode=skip")
    assert (opt.param_groups[0]["k"], opt.param_groups[0]["warmup_mode"]) == (4, "skip")
    for wrong in (".k=2.5", ".warmup_mode=none", ".kk=4"):
        with pytest.raises(Exception, match=wrong[1:].partition("=")[0]):
            optimizer(weights(), "=thalweg.optim.Ranger", wrong)
