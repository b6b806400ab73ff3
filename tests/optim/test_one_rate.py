"""What finds one step size for all parameters refuses groups that each ask for their own."""

import pytest

torch = pytest.importorskip("torch")
optim = pytest.importorskip("thalweg.optim")
from thalweg import mytorch  # noqa: E402

FINDERS = ["Prodigy", "DAdaptAdam", "DAdaptSGD"]

finders = pytest.mark.parametrize("name", FINDERS)


def of_torch(name, *rates):
    params = [torch.nn.Parameter(torch.ones(3)) for _ in rates]
    for p in params:
        p.grad = torch.ones(3)
    groups = [{"params": [p], "lr": lr} for p, lr in zip(params, rates, strict=True)]
    return params, getattr(optim, name)(groups)


@finders
def test_two_rates_are_refused_by_name_before_anything_moves(name):
    params, opt = of_torch(name, 1.0, 0.5)
    with pytest.raises(ValueError) as caught:
        opt.step()
    assert str(caught.value) == (
        f"{name} finds one step size for all parameters together: lr must be the same in all "
        "groups, or 0, got 0.5 and 1.0"
    )
    assert all(torch.equal(p, torch.ones(3)) for p in params)
    assert not opt.state


@finders
def test_a_schedule_that_parts_them_is_refused_when_it_does(name):
    _, opt = of_torch(name, 1.0, 1.0)
    opt.step()
    opt.param_groups[1]["lr"] = 0.25
    with pytest.raises(ValueError, match=r"got 0.25 and 1.0$"):
        opt.step()


@finders
def test_a_group_with_a_rate_of_0_rests(name):
    (moves, rests), opt = of_torch(name, 1.0, 0.0)
    for _ in range(3):
        opt.step()
    assert not torch.equal(moves, torch.ones(3))
    assert torch.equal(rests, torch.ones(3))


@finders
def test_on_numpy_they_are_refused_as_well(name):
    params = [mytorch.nn.Parameter([1.0, 2.0]) for _ in range(2)]
    for p in params:
        p.grad = p.data * 0 + 1
    groups = [{"params": [params[0]]}, {"params": [params[1]], "lr": 0.5}]
    with pytest.raises(ValueError, match=rf"^{name} finds one step size"):
        getattr(mytorch.optim, name)(groups).step()
