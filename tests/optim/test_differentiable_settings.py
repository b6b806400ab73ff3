"""Under `differentiable=True` autograd reaches the settings as well: lr, betas, weight decay."""

import pytest
import torch
from torch.autograd import gradcheck

import thalweg.optim as optim
from tests.optim.runs import OURS, numbers

STEPS = 7  # past RAdam's rectification and two of Lookahead's cycles
# beside those that leave none of its states out
DECAYING = {"weight_decay": 0.1, "betas": (0.9, 0.99, 0.8), "k": 3}


def decaying(name):
    """These of the settings that an optimizer has, and of betas as many."""
    defaults = getattr(optim, name).chain.defaults
    own = {key: value for key, value in DECAYING.items() if key in defaults}
    if "betas" in own:
        own["betas"] = own["betas"][: len(defaults["betas"])]
    return own


SETTINGS = {name: {**whole, **decaying(name)} for name, whole in OURS.items()}
for name, own in SETTINGS.items():
    if name.startswith("DAdapt"):
        own["growth_rate"] = 1e9  # infinity times d, which is not taken, has a slope that is none
PAIRS = [
    (name, setting)
    for name, settings in SETTINGS.items()
    for setting in ("lr", "weight_decay", "betas")
    if setting in settings
]


@pytest.mark.parametrize(("name", "setting"), PAIRS)
def test_the_slope_by_a_setting_is_that_of_finite_differences(name, setting):
    # gradients of one sign: Rprop and Adamax have corners where a gradient changes its own
    grads = [numbers((3, 2), t).abs() + 0.3 for t in range(STEPS)]

    def moved(*values):
        p = numbers((3, 2), 99).requires_grad_().clone()
        value = values if setting == "betas" else values[0]
        opt = getattr(optim, name)([p], differentiable=True, **{**SETTINGS[name], setting: value})
        for grad in grads:
            p.grad = grad
            opt.step()
        return p

    start = SETTINGS[name][setting]
    values = start if setting == "betas" else (start,)
    at = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam's mu_product and ASGD's eta are of this type
    try:
        assert gradcheck(moved, at)
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("name", SETTINGS)
def test_without_the_flag_a_setting_under_autograd_is_a_plain_number(name):
    plain, under = torch.nn.Parameter(numbers((3,), 1)), torch.nn.Parameter(numbers((3,), 1))
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    one, other = getattr(optim, name)([plain], lr=0.1), getattr(optim, name)([under], lr=lr)
    for t in range(3):
        plain.grad, under.grad = numbers((3,), 10 + t), numbers((3,), 10 + t)
        one.step()
        other.step()
    assert torch.equal(plain, under)
    assert not any(
        value.requires_grad for value in other.state[under].values() if torch.is_tensor(value)
    )
