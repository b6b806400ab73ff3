"""The wrong inputs that torch tests its own optimizers with: refused here in its own words."""

import re
import warnings

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import assert_close, walk, weights

# torch's own test suite, which ships in its wheel; it needs the small package expecttest
common_optimizers = pytest.importorskip(
    "torch.testing._internal.common_optimizers", exc_type=ImportError
)

# what torch refuses and we take, by its own description, and why
TAKEN_HERE = {
    "lr as Tensor doesn't work with foreach & not capturable": "no path here that cannot read it",
    r"betas\[0\] as a Tensor is not supported for capturable=False and foreach=True": "likewise",
    "betas must be either both floats or both Tensors": "each is read as the number it is",
    "complex not supported": "SparseAdam takes them as pairs of real numbers",
}


OPTIM_DB = common_optimizers.optim_db
WRONG = [
    (info.optim_cls.__name__, error)
    for info in OPTIM_DB
    for error in info.optim_error_inputs_func("cpu", torch.float32)
]


def given(error):
    given = error.optimizer_error_input
    params = given.params if given.params is not None else [Parameter(torch.ones(1, 1))]
    return params, given.kwargs


def raised(error, cls) -> BaseException | None:
    """What torch's test sees: warnings count, and an error may come at the step."""
    params, settings = given(error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            opt = cls(params, **settings)
            if error.error_on is common_optimizers.OptimizerErrorEnum.STEP_ERROR:
                walk(opt)
    except Exception as found:
        return found
    return None


@pytest.mark.parametrize(
    ("name", "error"), WRONG, ids=[f"{name}-{e.optimizer_error_input.desc}" for name, e in WRONG]
)
def test_what_torch_refuses_is_refused_with_its_error_or_listed_above(name, error):
    torchs = raised(error, getattr(torch.optim, name))
    assert type(torchs) is error.error_type
    found = raised(error, getattr(optim, name))
    if error.optimizer_error_input.desc in TAKEN_HERE:
        assert found is None
        return
    assert type(found) is type(torchs)
    # a program that looks for torch's words finds them; a setting's mistake is told in a sentence
    # that names it as well
    assert re.search(error.error_regex, str(found))
    if str(torchs).startswith("Invalid") and "param" not in error.optimizer_error_input.desc:
        assert str(torchs) in str(found)
        settings = "|".join(error.optimizer_error_input.kwargs)
        assert re.match(rf"{name}: ({settings})(\[\d\])? must be .+, got ", str(found))


def test_the_whole_of_torchs_list_is_tried():
    assert len(WRONG) >= 124
    assert {name for name, _ in WRONG} == {info.optim_cls.__name__ for info in OPTIM_DB}
    assert sum(error.optimizer_error_input.desc in TAKEN_HERE for _, error in WRONG) == 9


# every setting of every class whose range torch checks, beyond those that its list tries
OUTSIDE = [
    ("Adadelta", "rho", 1.1),
    ("Adagrad", "initial_accumulator_value", -1.0),
    ("Adam", "lr", -1.0),
    ("Adam", "eps", -1e-3),
    ("Adam", "betas", (0.9, 1.5)),
    ("AdamW", "betas", (-0.1, 0.9)),
    ("AdamW", "weight_decay", -1),
    ("Adafactor", "lr", -1.0),
    ("Adafactor", "eps", (None, -1.0)),
    ("Adafactor", "weight_decay", -1.0),
    ("LBFGS", "lr", -1.0),
    ("LBFGS", "lr", torch.ones(3)),
    ("Muon", "lr", -1.0),
    ("Muon", "momentum", -1.0),
    ("Muon", "weight_decay", -1.0),
    ("NAdam", "momentum_decay", -1.0),
    ("RMSprop", "alpha", -1.0),
    ("RMSprop", "momentum", -1.0),
    ("Rprop", "etas", (0.5, 0.9)),
    ("SGD", "lr", torch.ones(2)),
    ("SGD", "lr", -0.5),
    ("SparseAdam", "eps", -1.0),
]


@pytest.mark.parametrize(("name", "setting", "value"), OUTSIDE)
def test_a_setting_out_of_its_range_has_torchs_words_beside_ours(name, setting, value):
    told = []
    for module in (optim, torch.optim):
        with pytest.raises(ValueError) as error:  # noqa: PT011  (compared below)
            getattr(module, name)([Parameter(torch.ones(2, 2))], **{setting: value})
        told.append(str(error.value))
    assert told[1] in told[0]
    assert told[0].startswith(f"{name}: {setting}")


def test_a_group_added_with_a_setting_out_of_its_range_has_them_too():
    opt = optim.SGD([Parameter(torch.ones(2))])
    with pytest.raises(
        ValueError, match=r"SGD: lr must be >= 0, got -1 \(Invalid learning rate: -1"
    ):
        opt.add_param_group({"params": [Parameter(torch.ones(2))], "lr": -1})


def test_what_torch_has_no_class_for_says_nothing_of_torch():
    with pytest.raises(ValueError, match=r"got -1\.0") as error:
        optim.Ranger([Parameter(torch.ones(2))], lr=-1.0)
    assert str(error.value) == "Ranger: lr must be >= 0, got -1.0"


def test_each_exception_above_is_one_that_torch_still_makes():
    assert TAKEN_HERE.keys() <= {error.optimizer_error_input.desc for _, error in WRONG}


@pytest.mark.parametrize("betas", [(0.9, torch.tensor(0.95)), (torch.tensor(0.9), 0.95)], ids=str)
@pytest.mark.parametrize("foreach", [None, True])
def test_betas_of_both_kinds_are_read_as_numbers(betas, foreach):
    mixed, plain = weights(), weights()
    walk(optim.Adam(mixed, betas=betas, foreach=foreach, lr=torch.tensor(0.01)), 3)
    walk(torch.optim.Adam(plain, betas=tuple(map(float, betas)), lr=float(torch.tensor(0.01))), 3)
    assert_close(mixed, plain)
