"""Memory that moves between steps: the next step uses what is there then, and nothing older."""

import weakref

import pytest
import torch
from torch.nn import Parameter

from tests.optim.runs import (
    APART,
    COUNTING,
    OURS,
    all_arrays,
    arrays_of,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    type_of_number,
    values,
    walk,
    weights,
)

# thousands of tensors are looked at in another way than a few
FEW, MANY = ((3, 4), (4,), ()), ((2, 3),) * 80


@pytest.fixture(params=OURS)
def name(request):
    return request.param


# of many it makes no difference what a class computes: one state, several, numbers, slow weights
PAIRS = [(name, FEW) for name in OURS]
PAIRS += [(name, MANY) for name in ("SGD", "Adam", "NAdam", "Ranger")]


def few_and_many(without=()):
    pairs = [(name, shapes) for name, shapes in PAIRS if name not in without]
    ids = [f"{name}-{'few' if shapes is FEW else 'many'}" for name, shapes in pairs]
    return pytest.mark.parametrize(("name", "shapes"), pairs, ids=ids)


def held(opt) -> list[tuple[dict, str]]:
    return [(state, key) for state in opt.state.values() for key in state]


def new_memory(t):
    """The same numbers elsewhere, and rubbish where they were."""
    fresh = t.clone()
    t.fill_(float("nan"))
    return fresh


def move_parameters(params, opt):
    for p in params:
        p.data = new_memory(p.data)


def share_parameters(params, opt):
    for p in params:
        p.share_memory_()


def set_parameters(params, opt):
    for p in params:
        with torch.no_grad():
            p.set_(p.detach().clone())


def replace_states(params, opt):
    for state, key in held(opt):
        state[key] = new_memory(state[key])


def move_states(params, opt):
    for state, key in held(opt):
        state[key].data = new_memory(state[key].data)


def share_states(params, opt):
    for state, key in held(opt):
        state[key].share_memory_()


def renew_dictionaries(params, opt):
    for p in params:
        if p in opt.state:
            opt.state[p] = {k: new_memory(v) for k, v in opt.state[p].items()}


def reorder_dictionaries(params, opt):
    for p in params:
        if p in opt.state:
            opt.state[p] = dict(reversed(opt.state[p].items()))


def add_strange_keys(params, opt):
    for p in params:
        opt.state[p]["lookahead_slow_buff"] = p.detach().clone()


MOVES = [
    move_parameters,
    share_parameters,
    set_parameters,
    replace_states,
    move_states,
    share_states,
    renew_dictionaries,
    reorder_dictionaries,
    add_strange_keys,
]


@few_and_many()
@pytest.mark.parametrize("move", MOVES)
def test_the_next_step_uses_the_memory_that_is_there(name, shapes, move):
    params, plain = weights(shapes), weights(shapes)
    opt, other = ours(name, params), ours(name, plain)
    for t in range(6):
        for one in (opt, other):
            walk(one, 1, start=t)
        if t % 2:
            move(params, opt)
    assert_same(params, plain)
    assert all(torch.isfinite(state[key]).all() for state, key in held(opt))


@few_and_many()
def test_the_last_parameter_alone_may_move(name, shapes):
    """A check that looks at some of many tensors would pass the test above."""
    params, plain = weights(shapes), weights(shapes)
    opt, other = ours(name, params), ours(name, plain)
    for t in range(4):
        walk(opt, 1, start=t)
        walk(other, 1, start=t)
        params[-1].data = new_memory(params[-1].data)
    assert_same(params, plain)


@few_and_many()
def test_a_state_written_from_outside_counts(name, shapes):
    params, plain = weights(shapes), weights(shapes)
    opt, other = ours(name, params), ours(name, plain)
    for one in (opt, other):
        walk(one, 2)
    for state, key in all_arrays(opt):
        state[key].mul_(2.0)
    for state, key in all_arrays(other):
        state[key] = state[key] * 2.0
    for one in (opt, other):
        walk(one, 3, start=2)
    assert_same(params, plain)


@few_and_many(without=set(OURS) - set(COUNTING))
@pytest.mark.parametrize("way", ["in place", "replaced", "as a double"])
def test_a_step_count_written_from_outside_counts(name, shapes, way):
    params, plain = weights(shapes), weights(shapes)
    opt, other = ours(name, params), ours(name, plain)
    walk(opt, 3)
    walk(other, 3)
    for state in opt.state.values():
        if way == "in place":
            state["step"].fill_(11)
        else:
            kind = torch.float64 if way == "as a double" else torch.float32
            state["step"] = torch.tensor(11.0, dtype=kind)
    saved = other.state_dict()
    for state in saved["state"].values():
        state["step"] = torch.tensor(11.0)
    other.load_state_dict(saved)
    walk(opt, 3, start=3)
    walk(other, 3, start=3)
    assert_same(params, plain)
    assert {float(state["step"]) for state in opt.state.values()} == {14.0}


def test_a_square_state_turned_in_place_is_read_turned(name):
    """`t_()` changes the strides of a tensor and neither its address nor its shape."""
    params, plain = weights([(4, 4)]), weights([(4, 4)])
    opt, other = ours(name, params), ours(name, plain)
    for one in (opt, other):
        walk(one, 2)
    for state, key in held(opt):
        if state[key].dim():
            state[key].t_()
    for state, key in held(other):
        if state[key].dim():
            state[key] = state[key].t().contiguous()
    for one in (opt, other):
        walk(one, 5, start=2)
    assert_close(params, plain)


@few_and_many()
def test_a_forgotten_state_starts_anew(name, shapes):
    if name not in APART:
        pytest.skip("what is one number for all parameters, the others have not forgotten")
    params, alone = weights(shapes), weights(shapes[:1])
    opt = ours(name, params)
    walk(opt, 3)
    del opt.state[params[0]]
    with torch.no_grad():
        params[0].copy_(alone[0])
    walk(opt, 3)
    walk(ours(name, alone), 3)
    assert_same(params[:1], alone)


@few_and_many()
@pytest.mark.parametrize("to", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_a_model_may_change_its_type_in_mid_run(name, shapes, to):
    """Its states keep theirs, and every array is read in its own type."""
    params, plain = weights(shapes, torch.float32), weights(shapes, torch.float32)
    opt, other = ours(name, params), ours(name, plain)
    for one in (opt, other):
        walk(one, 3)
    model = torch.nn.ParameterList(params).to(to)
    assert all(p is q for p, q in zip(model, params, strict=True))
    before = values(params)
    for one in (opt, other):
        walk(one, 4, start=3)
    assert {p.dtype for p in params} == {to}
    for state, key in held(opt):
        assert state[key].dtype == type_of_number(name, key), key
    assert not any(map(torch.equal, before, params))
    # each step of a narrow parameter rounds it anew
    largest = max(float(p.detach().abs().max()) for p in plain)
    error = 4 * max(torch.finfo(to).eps, 1e-6) * max(1.0, largest)
    for p, q in zip(params, plain, strict=True):
        torch.testing.assert_close(p.float(), q, rtol=0, atol=error)


def test_a_type_changed_back_and_forth_loses_no_step(name):
    params, plain = weights(FEW, torch.float32), weights(FEW, torch.float32)
    opt, other = ours(name, params), ours(name, plain)
    for t in range(6):
        torch.nn.ParameterList(params).to(torch.float64 if t % 2 else torch.float32)
        walk(opt, 1, start=t)
        walk(other, 1, start=t)
    torch.nn.ParameterList(params).to(torch.float32)
    assert_close(params, plain)


@few_and_many()
def test_gradients_are_not_kept_alive(name, shapes):
    params = weights(shapes)
    opt = ours(name, params)
    for t in range(3):
        give_gradients(params, t)
        opt.step()
        dead = [weakref.ref(p.grad) for p in params]
        opt.zero_grad()
        assert [ref() for ref in dead] == [None] * len(params)


def test_gradients_of_parameters_with_gaps_are_not_kept_alive(name):
    p = Parameter(numbers((4, 8), 1)[:, ::2])
    opt = ours(name, [p])
    p.grad = numbers((4, 4), 2)
    opt.step()
    dead = weakref.ref(p.grad)
    opt.zero_grad()
    assert dead() is None


def test_an_optimizer_lets_go_of_its_parameters_with_its_last_reference(name):
    params = weights(FEW)
    opt = ours(name, params)
    walk(opt, 2)
    dead = [weakref.ref(p) for p in params]
    del params, opt
    assert [ref() for ref in dead] == [None] * len(dead)


def free(tensor) -> int:
    size = tensor.untyped_storage().nbytes()
    tensor.untyped_storage().resize_(0)
    return size


WHOSE = ["parameter", "gradient", "state"]


@few_and_many()
@pytest.mark.parametrize("whose", WHOSE)
def test_freed_memory_is_an_error_and_not_a_crash(name, shapes, whose):
    """FSDP frees storages this way; torch's own kernels would read address 0."""
    params = weights(shapes)
    opt = ours(name, params)
    walk(opt, 2)
    give_gradients(params, 2)
    array = next(iter(arrays_of(opt, params[0]).values()))
    tensor = {
        "parameter": params[0].data,
        "gradient": params[0].grad,
        "state": array,
    }[whose]
    size = free(tensor)
    before = values(params[1:])
    with pytest.raises(RuntimeError, match=r"shape \([\d, ]+\) has no memory .*freed"):
        opt.step()
    assert_same(params[1:], before)
    tensor.untyped_storage().resize_(size)
    tensor.fill_(0.5)
    opt.step()
    assert not any(map(torch.equal, before, params[1:]))


def test_freed_memory_that_came_back_elsewhere_is_found_again(name):
    params, plain = weights([(3, 4)]), weights([(3, 4)])
    opt, other = ours(name, params), ours(name, plain)
    for t in range(4):
        walk(opt, 1, start=t)
        walk(other, 1, start=t)
        kept = params[0].detach().clone()
        size = free(params[0].data)
        hold = torch.empty(12, dtype=torch.float64)  # perhaps where it was
        params[0].untyped_storage().resize_(size)
        params[0].data.copy_(kept)
        del hold
    assert_same(params, plain)
