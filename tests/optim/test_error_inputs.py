"""The wrong inputs that torch tests its own optimizers with: refused here as there."""

import re
import warnings

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import EVERY, assert_close, walk, weights

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


WRONG = [
    (info.optim_cls.__name__, error)
    for info in common_optimizers.optim_db
    if info.optim_cls.__name__ in EVERY
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
    # a parameter's mistake is told in torch's words; a setting's in a sentence that names it
    if not re.search(error.error_regex, str(found)):
        settings = "|".join(error.optimizer_error_input.kwargs)
        assert re.match(rf"{name}: ({settings})(\[\d\])? must be .+, got ", str(found))


def test_each_exception_above_is_one_that_torch_still_makes():
    assert TAKEN_HERE.keys() <= {error.optimizer_error_input.desc for _, error in WRONG}


@pytest.mark.parametrize("betas", [(0.9, torch.tensor(0.95)), (torch.tensor(0.9), 0.95)], ids=str)
@pytest.mark.parametrize("foreach", [None, True])
def test_betas_of_both_kinds_are_read_as_numbers(betas, foreach):
    mixed, plain = weights(), weights()
    walk(optim.Adam(mixed, betas=betas, foreach=foreach, lr=torch.tensor(0.01)), 3)
    walk(torch.optim.Adam(plain, betas=tuple(map(float, betas)), lr=float(torch.tensor(0.01))), 3)
    assert_close(mixed, plain)
