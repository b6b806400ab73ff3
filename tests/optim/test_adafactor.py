"""Adafactor takes torch's steps, whatever way a matrix takes through the engine or past it."""

import copy
import pickle
import tracemalloc
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import Parameter

from tests.optim.runs import (
    assert_close,
    assert_same,
    assert_same_state,
    give_gradients,
    numbers,
    reloaded,
    values,
    walk,
    weights,
)
from thalweg.optim.matrices import blocks, factored, spans
from thalweg.optim.matrices.adafactor import Adafactor

Torchs = torch.optim.Adafactor

# by rows, by rows in two strips, several matrices; as written, since rows are short; vectors
SHAPES = [(40, 33), (9, 4100), (3, 5, 32), (1, 40), (37, 5), (2, 3, 3, 3), (40, 1), (50,), ()]
DTYPES = [torch.float64, torch.float32, torch.bfloat16]
SETTINGS = [
    {},
    {"lr": 0.1, "weight_decay": 0.01},
    {"maximize": True, "foreach": True, "lr": torch.tensor(0.05, dtype=torch.float64)},
    {"eps": (1e-3, 1e-2), "d": 1.5, "beta2_decay": -0.6, "foreach": False},
]


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other are slow on a busy machine, and little here is large."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair(dtype=torch.float32, shapes=SHAPES, **given):
    """Ours and torch's on the same weights."""
    return Adafactor(weights(shapes, dtype), **given), Torchs(weights(shapes, dtype), **given)


def params_of(opt):
    return [p for group in opt.param_groups for p in group["params"]]


def states_of(opt):
    return [t for p in params_of(opt) for t in opt.state[p].values()]


@pytest.mark.parametrize("given", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_steps_are_torchs(dtype, given):
    one, other = pair(dtype, **given)
    walk(one, 6)
    walk(other, 6)
    assert_close(params_of(one), params_of(other))
    assert_close(states_of(one), states_of(other))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_states_are_torchs_in_order_shape_and_type(dtype):
    one, other = pair(dtype)
    walk(one)
    walk(other)
    for held, theirs in zip(one.state.values(), other.state.values(), strict=True):
        assert list(held) == list(theirs)
        assert [(t.shape, t.dtype) for t in held.values()] == [
            (t.shape, t.dtype) for t in theirs.values()
        ]
    (mine,), (theirs,) = (opt.state_dict()["param_groups"] for opt in (one, other))
    assert mine == theirs | {"decay_filter": None}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("classes", [(Adafactor, Torchs), (Torchs, Adafactor)])
def test_a_run_is_continued_by_the_other_class(classes, dtype):
    first, second = classes
    params, plain = weights(SHAPES, dtype), weights(SHAPES, dtype)
    begun, whole = first(params, lr=0.1), Torchs(plain, lr=0.1)
    walk(begun, 4)
    taken = second(params, lr=0.5)
    taken.load_state_dict(reloaded(begun.state_dict()))
    walk(taken, 4, start=4)
    walk(whole, 8)
    assert_close(params, plain)
    assert_close(states_of(taken), states_of(whole))


PATCHED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@PATCHED
@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 30), st.integers(32, 130))
        | st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(32, 60)),
        min_size=1,
        max_size=5,
    ),
    elements=st.integers(1, 4000),
    rows=st.integers(1, 20),
    widest=st.integers(1, 64),
    deepest=st.integers(1, 8),
)
def test_however_matrices_are_cut_the_step_is_the_same(
    monkeypatch, shapes, elements, rows, widest, deepest
):
    with monkeypatch.context() as patch:
        patch.setattr(factored, "ELEMENTS", elements)
        patch.setattr(blocks, "ROWS", rows)
        patch.setattr(spans, "WIDEST", widest)
        patch.setattr(spans, "DEEPEST", deepest)
        one, other = pair(torch.float64, shapes, lr=0.1)
        walk(one, 2)
        walk(other, 2)
    assert not one._matrices._odd
    assert_close(params_of(one), params_of(other))
    assert_close(states_of(one), states_of(other))


def test_memory_changes_and_on_two_threads_as_on_one():
    """More rows than the engine is given at once, and more work than one thread takes."""
    shapes = [(blocks.ROWS + 3, 32), (300, 5000), (600, 600)]
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        opt = Adafactor(weights(shapes, torch.float32), lr=0.1)
        walk(opt, 2)
        found.append((values(params_of(opt)), states_of(opt)))
    (params, states), (again, states_again) = found
    for p, start in zip(params, weights(shapes, torch.float32), strict=True):
        assert (p != start).float().mean() > 0.99
    assert all(bool(t.all()) for t in states)
    assert_same(params + states, again + states_again)


def lying(way: str) -> tuple[Parameter, torch.Tensor]:
    """A parameter and a gradient that lie in memory in some way."""
    p, g = numbers((4, 3, 36, 40), 0), numbers((4, 3, 36, 40), 1)
    if way == "channels last":
        p, g = (t.to(memory_format=torch.channels_last) for t in (p, g))
    elif way == "gradient channels last":
        g = g.to(memory_format=torch.channels_last)
    elif way == "transposed":
        p, g = p.transpose(-1, -2), g.transpose(-1, -2)
    elif way == "axes swapped":
        p, g = p.transpose(0, 2), g.transpose(0, 2)
    elif way == "a piece of a wider one":
        p, g = numbers((36, 90), 0)[:, 7:67], numbers((36, 90), 1)[:, 20:80]
    elif way == "every other column":
        p, g = numbers((36, 90), 0)[:, ::2], numbers((36, 90), 1)[:, ::2]
    elif way == "expanded gradient":
        p, g = numbers((36, 90), 0), numbers((90,), 1).expand(36, 90)
    elif way == "constant gradient":
        p, g = numbers((36, 90), 0), torch.tensor(0.5, dtype=torch.float64).expand(36, 90)
    elif way == "negated gradient":
        g = torch._neg_view(g)
    return Parameter(p), g


WAYS = [
    "contiguous",
    "channels last",
    "gradient channels last",
    "transposed",
    "axes swapped",
    "a piece of a wider one",
    "every other column",
    "expanded gradient",
    "constant gradient",
    "negated gradient",
]


@pytest.mark.parametrize("way", WAYS)
def test_the_step_is_torchs_however_the_tensors_lie(way):
    (p, g), (q, _) = lying(way), lying(way)
    around = p.detach().as_strided((p.untyped_storage().size() // 8,), (1,), 0)
    untouched = torch.ones_like(around, dtype=torch.bool)
    untouched.as_strided(p.shape, p.stride(), p.storage_offset()).fill_(False)
    before = around.clone()
    one, other = Adafactor([p], lr=0.1), Torchs([q], lr=0.1)
    for _ in range(3):
        p.grad, q.grad = g, g.clone()
        one.step()
        other.step()
    assert_close([p], [q])
    assert torch.equal(around[untouched], before[untouched])
    assert p.grad is g


def test_gradients_are_read_only():
    params = weights(SHAPES)
    give_gradients(params, 0)
    before = [(p.grad, p.grad.clone(), p.grad._version) for p in params]
    Adafactor(params, maximize=True).step()
    for p, (grad, copied, version) in zip(params, before, strict=True):
        assert p.grad is grad
        assert torch.equal(grad, copied)
        assert grad._version == version


def test_gradients_are_let_go():
    params = weights(SHAPES)
    opt = Adafactor(params)
    for t in range(2):
        give_gradients(params, t)
        kept = [weakref.ref(p.grad) for p in params]
        opt.step()
        opt.zero_grad()
        assert [ref() for ref in kept] == [None] * len(params)


def test_autograd_hears_of_every_write():
    params = weights(SHAPES)
    versions = [p._version for p in params]
    opt = Adafactor(params)
    walk(opt, 2)
    assert all(p._version > v for p, v in zip(params, versions, strict=True))


def test_gradients_may_come_late_and_stay_away():
    params, twins = weights(SHAPES), weights(SHAPES)
    opts = [Adafactor(params, lr=0.3), Torchs(twins, lr=0.3)]
    for t in range(6):
        for some in (params, twins):
            give_gradients(some, t)
            for i, p in enumerate(some):
                if (i + t) % 3 == 0:
                    p.grad = None
        for opt in opts:
            opt.step()
    assert_close(params, twins)
    assert [opts[0].state[p]["step"].item() for p in params] == [4.0] * len(SHAPES)


def test_settings_belong_to_groups_and_may_change():
    opts = []
    for make in (Adafactor, Torchs):
        params = weights(SHAPES)
        opt = make([{"params": params[::2], "lr": 0.1}, {"params": params[1::2], "d": 2.0}])
        walk(opt, 2)
        opt.param_groups[0]["maximize"] = True
        opt.param_groups[1]["weight_decay"] = 0.2
        opt.add_param_group({"params": weights([(7, 50)]), "eps": (0.1, 0.2)})
        walk(opt, 2, start=2)
        opts.append(opt)
    assert_close(params_of(opts[0]), params_of(opts[1]))


@pytest.mark.parametrize("what", ["parameters", "states", "dtype"])
def test_parameters_may_move_and_states_may_be_replaced(what):
    params, twins = weights(SHAPES), weights(SHAPES)
    one, other = Adafactor(params, lr=0.1), Torchs(twins, lr=0.1)
    walk(one, 2)
    walk(other, 2)
    left_behind = [p.data for p in params]
    for p in params:
        if what == "parameters":
            p.data = p.data.clone()
        elif what == "states":
            one.state[p].update({key: held.clone() for key, held in one.state[p].items()})
    if what == "dtype":
        for p in [*params, *twins]:
            p.grad, p.data = None, p.data.float()
        for opt in (one, other):
            opt.load_state_dict(opt.state_dict())  # which brings the states to the new type
    before = values(left_behind)
    walk(one, 2, start=2)
    walk(other, 2, start=2)
    if what != "states":
        assert_same(left_behind, before)
    if what == "dtype":
        twins = [p.double() for p in twins]
        for p, q in zip(params, twins, strict=True):
            torch.testing.assert_close(p.double(), q, rtol=1e-5, atol=1e-6)
    else:
        assert_close(params, twins)
        assert_close(states_of(one), states_of(other))


@pytest.mark.filterwarnings("ignore:.*duplicate parameters")
def test_a_parameter_listed_twice_is_moved_twice():
    p, q = weights([(6, 40)])[0], weights([(6, 40)])[0]
    one, other = Adafactor([p, p], lr=0.1), Torchs([q, q], lr=0.1)
    walk(one, 3)
    walk(other, 3)
    assert_close([p], [q])
    assert one.state[p]["step"].item() == 6


@pytest.mark.parametrize("shape", [(0,), (0, 40), (40, 0), (2, 0, 40)])
def test_empty_parameters_count_their_steps(shape):
    params = weights([shape, (4, 40)])
    opt = Adafactor(params)
    walk(opt, 2)
    held = opt.state[params[0]]
    assert held["step"].item() == 2
    assert all(bool((t == 0).all()) for key, t in held.items() if key != "step")
    assert opt.state[params[1]]["row_var"].all()


@pytest.mark.parametrize("shape", [(6, 40), (6, 4), (40,)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_spreads_as_in_torch(shape, value):
    opts = Adafactor(weights([shape]), lr=0.1), Torchs(weights([shape]), lr=0.1)
    for opt in opts:
        for t in range(3):
            give_gradients(params_of(opt), t)
            if t == 1:
                params_of(opt)[0].grad.view(-1)[3] = value
            opt.step()
    have, want = (params_of(opt)[0].detach() for opt in opts)
    torch.testing.assert_close(have, want, equal_nan=True)
    assert not want.isfinite().all()


@pytest.mark.parametrize("shape", [(6, 40), (6, 4), (40,)])
def test_one_weight_that_is_not_a_number_spoils_no_other(shape):
    opts = Adafactor(weights([shape])), Torchs(weights([shape]))
    for opt in opts:
        with torch.no_grad():
            params_of(opt)[0].view(-1)[3] = float("nan")
        walk(opt, 2)
    have, want = (params_of(opt)[0].detach() for opt in opts)
    torch.testing.assert_close(have, want, equal_nan=True)
    assert want.isnan().sum() == 1


@pytest.mark.parametrize("first", [torch.bfloat16, torch.float64])
def test_each_type_has_its_own_precision_as_eps(first):
    """torch gives the precision of the group's first parameter to all of them."""
    small = 1e-5  # below bfloat16's precision, above float32's
    shapes = [(6, 40), (5, 4), (40,)]
    alone, mixed = weights(shapes, torch.float32), weights(shapes, torch.float32)
    others = weights([(3, 32)], first)
    for one in (alone, mixed, others):
        give_gradients(one, 0)
        for p in one:
            p.grad *= small
    Adafactor(alone, lr=0.1).step()
    Adafactor([*others, *mixed], lr=0.1).step()
    assert_same(mixed, alone)
    theirs = weights(shapes, torch.float32)
    for p, q in zip(theirs, alone, strict=True):
        p.grad = q.grad
    Torchs(theirs, lr=0.1).step()
    assert_close(alone, theirs)


@pytest.mark.parametrize("shape", [(6, 40), (6, 4), (40,)])
def test_an_eps_too_small_to_be_squared_still_counts(shape):
    """The eps that other implementations recommend: torch divides zero by zero."""
    p = weights([shape], torch.float32)[0]
    before = p.detach().clone()
    opt = Adafactor([p], eps=(1e-30, 1e-3))
    p.grad = torch.zeros_like(p)
    opt.step()
    assert torch.equal(p, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_a_step_is_no_farther_from_the_truth_than_torchs(dtype):
    """The truth is torch in float64 from the same start along the same gradients."""
    shapes = [(80, 200), (200, 8), (300,)]
    mine, theirs = weights(shapes, dtype), weights(shapes, dtype)
    truth = [Parameter(p.detach().double()) for p in mine]
    eps = (torch.finfo(dtype).eps, 1e-3)
    opts = [make(ps, lr=0.1, eps=eps) for make, ps in ((Adafactor, mine), (Torchs, theirs))]
    opts.append(Torchs(truth, lr=0.1, eps=eps))
    for t in range(8):
        give_gradients(mine, t)
        for p, q, exact in zip(mine, theirs, truth, strict=True):
            q.grad, exact.grad = p.grad.clone(), p.grad.double()
        for opt in opts:
            opt.step()

    def distance(params):
        errors = [p.double() - e for p, e in zip(params, truth, strict=True)]
        return torch.cat([e.detach().flatten() for e in errors]).square().mean().sqrt()

    assert distance(mine) <= 1.05 * distance(theirs)


def test_sums_over_many_rows_keep_their_digits():
    """Added up one after the other in single precision, a column loses two of them."""
    p = Parameter(torch.zeros(60000, 32))
    p.grad = numbers(p.shape, 1, torch.float32)
    opt = Adafactor([p])
    opt.step()
    exact = p.grad.double().square().mean(0, keepdim=True).float()
    torch.testing.assert_close(opt.state[p]["col_var"], exact, rtol=3e-7, atol=0)


def test_a_wide_gradient_of_a_narrow_parameter_is_taken_as_it_is():
    p, q = (weights([(6, 40)], torch.bfloat16)[0] for _ in range(2))
    p.grad_dtype = torch.float32
    p.grad = numbers(p.shape, 1, torch.float32)
    q.grad = p.grad.bfloat16()
    one, other = Adafactor([p], lr=0.1), Adafactor([q], lr=0.1)
    one.step()
    other.step()
    assert_close([p], [q])
    assert one.state[p]["row_var"].dtype == torch.bfloat16


def test_a_step_allocates_nothing_of_a_parameters_size():
    shapes = [(40000, 64), (600, 4200)]
    opt = Adafactor(weights(shapes, torch.float32))
    walk(opt, 2)
    give_gradients(params_of(opt), 2)
    tracemalloc.start()
    opt.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * 4 * 40000 * 64
    with torch.profiler.profile(profile_memory=True) as seen:
        opt.step()
    assert sum(max(event.self_cpu_memory_usage, 0) for event in seen.events()) < 10_000


def test_a_wider_factor_from_a_file_keeps_its_digits():
    wide, narrow = Adafactor(weights([(6, 40)], torch.float32)), Adafactor(weights([(6, 40)], BF))
    walk(wide)
    narrow.load_state_dict(reloaded(wide.state_dict()))
    walk(narrow, 2, start=1)
    walk(wide, 2, start=1)
    (held,), (exact,) = narrow.state.values(), wide.state.values()
    assert held["row_var"].dtype == torch.float32
    torch.testing.assert_close(held["row_var"], exact["row_var"], rtol=1e-3, atol=0)


BF = torch.bfloat16


def test_steps_are_counted_in_the_default_type(numbers_in_double):
    one, other = pair(torch.float64, lr=0.1)
    walk(one, 3)
    walk(other, 3)
    assert {held["step"].dtype for held in one.state.values()} == {torch.float64}
    assert_close(params_of(one), params_of(other))


def test_groups_may_be_empty():
    opt = Adafactor([{"params": []}, {"params": weights([(6, 40)])}, {"params": []}])
    walk(opt, 2)
    opt.zero_grad()
    opt.step()
    assert [held["step"].item() for held in opt.state.values()] == [2.0]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_goes_on_as_the_original(way):
    opt = Adafactor(weights(SHAPES), lr=0.1)
    walk(opt, 3)
    twin = way(opt)
    before = values(params_of(twin))
    walk(opt, 3, start=3)
    assert_same(params_of(twin), before)
    walk(twin, 3, start=3)
    assert_same(params_of(twin), params_of(opt))
    assert_same_state(twin, opt)


def test_a_checkpoint_with_a_whole_step_and_a_short_group_loads():
    opt, plain = Adafactor(weights(SHAPES)), Adafactor(weights(SHAPES))
    for one in (opt, plain):
        walk(one, 2)
    saved = opt.state_dict()
    for held in saved["state"].values():
        held["step"] = 2
    del saved["param_groups"][0]["foreach"]
    opt.load_state_dict(saved)
    walk(opt, 2, start=2)
    walk(plain, 2, start=2)
    assert_same(params_of(opt), params_of(plain))
    assert all(held["step"].item() == 4 for held in opt.state.values())


@pytest.mark.parametrize("rate", [0.0, torch.tensor(0.0)])
def test_an_initial_step_makes_every_state_and_moves_nothing(rate):
    """As torch.distributed.checkpoint takes it."""
    opt = Adafactor(weights(SHAPES), lr=rate, weight_decay=0.1)
    before = values(params_of(opt))
    for p in params_of(opt):
        p.grad = torch.zeros_like(p)
    opt.step(closure=None)
    assert_same(params_of(opt), before)
    assert [list(opt.state[p]) for p in params_of(opt)[-3:-1]] == [
        ["step", "row_var", "col_var"],
        ["step", "variance"],
    ]


def test_a_closure_and_the_hooks_run_once():
    opt = Adafactor(weights(SHAPES))
    seen = []
    opt.register_step_pre_hook(lambda *_: seen.append("before"))
    opt.register_step_post_hook(lambda *_: seen.append("after"))

    def closure():
        assert torch.is_grad_enabled()
        seen.append("closure")
        give_gradients(params_of(opt), 0)
        return 7.0

    assert opt.step(closure) == 7.0
    assert seen == ["before", "closure", "after"]


WRONG = [
    ({"lr": -1.0}, ValueError, "lr must be >= 0, got -1.0"),
    ({"lr": torch.tensor([0.1, 0.2])}, ValueError, "Tensor lr must be 1-element"),
    ({"lr": "fast"}, TypeError, "lr must be a number, got 'fast'"),
    ({"beta2_decay": 0.8}, ValueError, "beta2_decay should be <= 0"),
    ({"eps": (-1e-30, 1e-3)}, ValueError, "epsilon1 should be >= 0"),
    ({"eps": (None, -1.0)}, ValueError, r"eps\[1\] must be >= 0, got -1.0"),
    ({"eps": 1e-3}, TypeError, "eps must be 2 numbers, got 0.001"),
    ({"d": 0.0}, ValueError, "Clipping threshold d should be >= 1"),
    ({"weight_decay": -0.1}, ValueError, "weight_decay must be >= 0, got -0.1"),
    ({"d": float("nan")}, ValueError, "d must be >= 1, got nan"),
]


@pytest.mark.parametrize(("wrong", "kind", "words"), WRONG)
def test_wrong_settings_are_refused_in_a_sentence(wrong, kind, words):
    with pytest.raises(kind, match=f"^Adafactor: .*{words}"):
        Adafactor(weights(), **wrong)


def test_nothing_moves_when_one_gradient_is_refused():
    params = weights(SHAPES)
    give_gradients(params, 0)
    before = values(params)
    sparse = Parameter(torch.zeros(3, 4))
    sparse.grad = torch.eye(3, 4).to_sparse()
    with pytest.raises(RuntimeError, match="Adafactor does not support sparse gradients"):
        Adafactor([*params, sparse]).step()
    turning = Parameter(torch.zeros(3, 4, dtype=torch.complex64))
    turning.grad = torch.ones_like(turning)
    opt = Adafactor([*params, turning])
    with pytest.raises(RuntimeError, match="Adafactor does not support complex parameters"):
        opt.step()
    assert_same(params, before)
    assert opt.state_dict()["state"] == {}


def test_a_factor_of_another_shape_is_refused():
    opt = Adafactor(weights([(6, 40)]))
    walk(opt)
    (held,) = opt.state.values()
    held["row_var"] = torch.zeros(7, 1)
    with pytest.raises(RuntimeError, match=r"'row_var' .* must have the shape \(6, 1\)"):
        walk(opt)
