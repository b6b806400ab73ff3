"""`==`, `<` and the like are elementwise; as a key a tensor is itself."""

import copy
import operator

import numpy as np
import pytest

from tests.mytorch.agreement import needs_torch
from thalweg import mytorch
from thalweg.mytorch import Tensor, nn, optim

SIGNS = ["eq", "ne", "lt", "le", "gt", "ge"]
LEFT = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]])
RIGHTS = {
    "a tensor": np.array([[1.0, 3.0, 2.0], [4.0, 5.0, np.nan]]),
    "a row": np.array([4.0, 2.0, 3.0]),
    "an integer tensor": np.array([[1, 3, 2], [4, 5, 6]]),
    "a number": 3,
    "a float": 2.5,
}


@needs_torch
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("name", RIGHTS)
def test_a_comparison_is_torchs(sign, name):
    import torch

    right = RIGHTS[name]
    compare = getattr(operator, sign)
    is_number = isinstance(right, int | float)
    found = compare(Tensor(LEFT), right if is_number else Tensor(right))
    wanted = compare(torch.tensor(LEFT), right if is_number else torch.tensor(right))
    assert found.dtype == bool
    assert found.tolist() == wanted.tolist()
    by_name = getattr(mytorch, sign)(Tensor(LEFT), right)
    assert by_name.tolist() == getattr(Tensor(LEFT), sign)(right).tolist() == found.tolist()


@pytest.mark.parametrize("sign", SIGNS)
def test_an_array_on_either_side_is_compared_element_by_element(sign):
    compare = getattr(operator, sign)
    array = RIGHTS["a row"]
    for found, wanted in (
        (compare(Tensor(LEFT), array), compare(LEFT, array)),
        (compare(array, Tensor(LEFT)), compare(array, LEFT)),
        (compare(Tensor(array), array.tolist()), compare(array, array)),
        (compare(np.float64(3), Tensor(LEFT)), compare(3, LEFT)),
    ):
        assert isinstance(found, Tensor)
        assert found.tolist() == wanted.tolist()


def test_a_share_of_right_guesses_is_their_share():
    guesses, labels = Tensor([1, 2, 3, 4]), Tensor([1, 2, 0, 4])
    assert np.mean(guesses == labels) == 0.75
    assert (guesses == labels).mean().item() == 0.75
    assert (guesses == labels).sum().item() == 3
    assert (guesses == labels.numpy()).numpy().mean() == 0.75


def test_a_float_is_compared_in_the_type_of_the_tensor():
    assert (Tensor([0.1, 0.2]) == 0.1).tolist() == [True, False]
    assert (Tensor(0.1) == 0.1).item()


def test_what_is_no_number_is_not_equal():
    x = Tensor([1.0])
    for other in (None, "1.0", object(), {}):
        assert (x == other) is False
        assert (x != other) is True
    with pytest.raises(TypeError, match="'<' not supported"):
        _ = x < "a"


def test_a_comparison_records_nothing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert not (x * 2 > 3).requires_grad


def test_tensors_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"eq: shapes \(2, 3\) and \(2,\) do not broadcast"):
        _ = Tensor(LEFT) == Tensor([1.0, 2.0])


def test_several_truths_are_no_truth():
    with pytest.raises(ValueError, match=r"bool: a tensor of shape \(2,\) is neither true nor"):
        bool(Tensor([1, 1]) == Tensor([1, 2]))
    with pytest.raises(ValueError, match=r"shape \(0,\) is neither true nor false"):
        bool(Tensor([]))
    assert (Tensor([1, 1]) == Tensor([1, 1])).all()
    assert not (Tensor([1, 1]) == Tensor([1, 2])).all()


def test_in_asks_for_an_element():
    x = Tensor([[1, 2], [3, 4]])
    assert 3 in x
    assert 5 not in x
    assert "a" not in x


def test_equal_tensors_are_different_keys():
    a, b = Tensor([1.0, 2.0]), Tensor([1.0, 2.0])
    assert len({a, b, a}) == 2
    found = {a: "a", b: "b"}
    assert (found[a], found[b]) == ("a", "b")
    assert a in found
    assert Tensor([1.0, 2.0]) not in found
    assert hash(a) == hash(a)
    found[a] = "c"
    assert list(found.values()) == ["c", "b"]


def equal_layers() -> nn.Sequential:
    """Parameters that are all equal, element by element: only identity tells them apart."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    for parameter in model.parameters():
        parameter.data[...] = 1
    return model


def test_equal_parameters_are_each_found_once():
    model = equal_layers()
    model.add = model  # a cycle would be found forever; a shared layer comes once
    del model.add
    model.twice = nn.Sequential(model[0])
    names = [name for name, _ in model.named_parameters()]
    assert names == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight"]


def test_an_optimizer_keeps_equal_parameters_apart():
    model = equal_layers()
    opt = optim.AdamW(model.parameters(), lr=0.1)
    for scale, parameter in enumerate(model.parameters(), start=1):
        parameter.grad = np.full_like(parameter.data, scale)
    opt.step()
    moments = [opt.state[p]["exp_avg"].flat[0] for p in model.parameters()]
    np.testing.assert_allclose(moments, [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-6)
    again = optim.AdamW(model.parameters(), lr=0.1)
    again.load_state_dict(opt.state_dict())
    assert [again.state[p]["exp_avg"].flat[0] for p in model.parameters()] == moments
    opt.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_an_optimizer_refuses_the_same_parameter_and_takes_an_equal_one():
    first, second = (nn.Parameter(np.ones(3)) for _ in range(2))
    opt = optim.SGD([first], lr=0.1)
    opt.add_param_group({"params": [second]})
    with pytest.raises(ValueError, match="a parameter is in more than one group"):
        opt.add_param_group({"params": [first]})
    with pytest.raises(ValueError, match="a parameter comes twice in a group"):
        optim.SGD([first, second, first], lr=0.1)


def test_a_copied_optimizer_goes_with_its_copied_parameters():
    model = equal_layers()
    opt = optim.AdamW(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    opt.step()
    twin = copy.deepcopy({"model": model, "opt": opt})
    held = [p for group in twin["opt"].param_groups for p in group["params"]]
    assert [id(p) for p in held] == [id(p) for p in twin["model"].parameters()]
    assert [id(p) for p in twin["opt"].state] == [id(p) for p in held]


def test_a_graph_of_equal_results_is_walked_one_by_one():
    x, y = (Tensor([2.0, 2.0], requires_grad=True) for _ in range(2))
    ((x * 1) * (y * 1) + (x * 1) * 3 + (y * 1) * 5).sum().backward()
    assert x.grad.tolist() == [5, 5]
    assert y.grad.tolist() == [7, 7]
