"""What a step of L-BFGS reads and writes, however the tensors lie."""

import pytest
import torch
from torch.nn import Linear, Parameter

from tests.optim.runs import assert_same, numbers, reloaded
from tests.optim.valleys import FIXED, SEARCHES, WOLFE, Course, assert_agree, several, some
from thalweg.optim.lbfgs import LBFGS

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_step_returns_what_the_first_call_of_the_closure_returned():
    run = Course(LBFGS, some(), several, **WOLFE)
    returned = []

    def closure():
        returned.append(run.closure())
        return returned[-1]

    assert run.opt.step(closure) is returned[0]
    assert run.opt.step(closure=closure) is not returned[0]
    assert len(returned) > 4


def twice(g):
    """A sparse gradient that names each of its entries twice."""
    one = g.to_sparse().coalesce()
    indices, parts = one.indices(), (0.25 * one.values(), 0.75 * one.values())
    return torch.sparse_coo_tensor(
        torch.cat((indices, indices), 1), torch.cat(parts), g.shape, check_invariants=True
    )


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda g: g.to_sparse(),
        twice,
        lambda g: g.t().contiguous().t(),
        lambda g: torch.complex(g, -g).conj().imag,
    ],
    ids=["sparse", "uncoalesced", "other strides", "negated"],
)
def test_a_gradient_counts_by_its_values_however_it_is_laid_out(laid_out):
    params, plain = (some(shapes=[(3, 4), (5,)]) for _ in range(2))
    for (p, q), lay in ((params, laid_out), (plain, torch.clone)):
        opt = LBFGS([p, q], **FIXED)

        def closure(p=p, q=q, lay=lay):
            with torch.no_grad():
                p.grad, q.grad = lay(3 * p), 2 * q
                return 1.5 * (p * p).sum() + (q * q).sum()

        for _ in range(3):
            opt.step(closure)
    assert_agree(params, plain, rtol=1e-12)


def test_a_conjugated_gradient_is_read_as_what_it_stands_for():
    params, plain = (some(torch.complex128, [(4,)]) for _ in range(2))
    for (p,), lay in ((params, lambda g: g.conj().resolve_conj().conj()), (plain, lambda g: g)):
        opt = LBFGS([p], **FIXED)
        for _ in range(3):

            def closure(p=p, lay=lay):
                p.grad = lay(2 * p.detach())
                return p.detach().abs().square().sum()

            opt.step(closure)
        assert p.grad.is_conj() == (p is params[0])
    assert_same(params, plain)


def test_a_parameter_without_a_gradient_stays_where_it_is():
    params, torchs = some(), some()
    runs = [
        Course(make, p, lambda *p: several(*p[1:]), **WOLFE).walk(3)
        for make, p in ((LBFGS, params), (torch.optim.LBFGS, torchs))
    ]
    assert_same(params[:1], some()[:1])
    assert_agree(params, torchs, rtol=1e-9)
    assert params[0].grad is None
    assert runs[0].losses[-1] < runs[0].losses[0]


@SEARCHES
def test_channels_last_goes_where_contiguous_goes_and_takes_its_checkpoint(settings):
    """torch's cannot view such a gradient as one row."""
    shape = (2, 3, 4, 4)
    plain = Course(torch.optim.LBFGS, some(shapes=[shape]), several, **settings).walk(2)
    turned = Parameter(plain.params[0].detach().clone().to(memory_format=torch.channels_last))

    def channels_last(p):
        assert p.is_contiguous(memory_format=torch.channels_last)
        return several(p)

    after = Course(LBFGS, [turned], channels_last, **settings)
    after.opt.load_state_dict(reloaded(plain.opt.state_dict()))
    after.walk(2)
    plain.walk(2)
    assert turned.grad.is_contiguous(memory_format=torch.channels_last)
    assert_agree([turned], plain.params, rtol=1e-9)


def test_a_view_with_gaps_moves_and_what_lies_between_does_not():
    base = numbers((6, 4), 0)
    p = Parameter(base[::2, 1:3])
    before = base.clone()
    run = Course(LBFGS, [p], several, **WOLFE).walk(2)
    assert run.losses[-1] < run.losses[0]
    moved = base != before
    assert moved[::2, 1:3].all()
    assert moved.sum() == 6


def test_sharded_parameters_move_as_whole_ones():
    from torch import distributed

    if not distributed.is_available() or distributed.is_initialized():
        pytest.skip("needs a process group of its own")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        model, plain = (Linear(4, 3, dtype=torch.float64) for _ in range(2))
        model.load_state_dict(plain.state_dict())
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        for one in (model, plain):
            opt = LBFGS(one.parameters(), **{**WOLFE, "max_iter": 3})

            def closure(one=one, opt=opt):
                opt.zero_grad()
                loss = one(numbers((5, 4), 1)).square().mean()
                loss.backward()
                return loss

            for _ in range(2):
                opt.step(closure)
        whole = [p.detach().full_tensor() for p in model.parameters()]
        assert_agree(whole, plain.parameters(), rtol=1e-12)
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("to", [torch.float64, torch.float32], ids=str)
def test_parameters_that_change_their_type_take_the_history_along(to):
    start = torch.float32 if to == torch.float64 else torch.float64
    run = Course(LBFGS, some(start), several, **WOLFE).walk(2)
    for p in run.params:
        p.data = p.data.to(to)
    run.walk(2)
    want = Course(LBFGS, some(to), several, **WOLFE).walk(4)
    assert {v.dtype for key in ("old_dirs", "old_stps") for v in run.state[key]} == {to}
    # Both are at the least, a loss of about 105, whose last bit in float32 hides such a distance.
    narrow = torch.finfo(torch.float32).eps
    assert_agree(run.params, want.params, rtol=(105 * narrow) ** 0.5)


# --- protocols -----------------------------------------------------------------------------------


def test_versions_rise_and_gradients_are_not_written():
    params = some()
    run = Course(LBFGS, params, several, **WOLFE)
    seen = []

    def closure():
        loss = run.closure()
        seen.append([(p.grad, p.grad.clone(), p.grad._version) for p in params])
        return loss

    versions = [p._version for p in params]
    run.opt.step(closure)
    assert all(p._version > v for p, v in zip(params, versions, strict=True))
    for grads in seen:
        for grad, copied, version in grads:
            assert grad._version == version
            assert torch.equal(grad, copied)


def test_hooks_run_once_and_a_step_leaves_grad_mode_alone():
    run = Course(LBFGS, some(), several, **WOLFE)
    calls = []
    run.opt.register_step_pre_hook(lambda *_: calls.append("pre"))
    run.opt.register_step_post_hook(lambda *_: calls.append("post"))
    with torch.no_grad():
        run.walk(1)
        assert not torch.is_grad_enabled()
    assert calls == ["pre", "post"]
    assert set(run.modes) == {True}
    tensors = [v for v in run.state.values() if isinstance(v, torch.Tensor)]
    assert not any(t.requires_grad for t in (*tensors, *run.state["old_dirs"]))


@pytest.mark.parametrize("shapes", [[(0,)], [(0, 3), (0,)]])
def test_nothing_to_move_is_no_error(shapes):
    run = Course(LBFGS, some(shapes=shapes), several, **WOLFE).walk(2)
    assert run.losses == [0.0, 0.0]
    opt = LBFGS([{"params": []}])
    assert opt.step(lambda: 3.0) == 3.0


def test_lr_zero_evaluates_and_moves_nothing():
    """torch's line search divides by zero."""
    for settings in (FIXED, WOLFE):
        params = some()
        Course(LBFGS, params, several, **{**settings, "lr": 0.0}).walk(2)
        assert_same(params, some())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrow_types_descend(dtype):
    run = Course(LBFGS, some(dtype), several, lr=0.5, max_iter=4).walk(3)
    assert run.losses[-1] < 0.2 * run.losses[0]
    assert {v.dtype for v in run.state["old_dirs"]} == {dtype}
