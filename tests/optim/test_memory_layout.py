"""Every way a parameter, a gradient and a state may lie in memory gives the same numbers."""

import pytest
import torch
from torch.nn import Parameter

from tests.optim.runs import OURS, TWINS, assert_close, assert_same, numbers, ours, torchs, walk


def contiguous(shape):
    return torch.empty(shape, dtype=torch.float64)


def channels_last(shape):
    return torch.empty(shape, dtype=torch.float64, memory_format=torch.channels_last)


def transposed(shape):
    return torch.empty(shape[::-1], dtype=torch.float64).permute(*reversed(range(len(shape))))


def gapped(shape):
    """Every other column of something wider."""
    return torch.full((*shape[:-1], 2 * shape[-1]), 7.0, dtype=torch.float64)[..., ::2]


def left_part(shape):
    return torch.full((*shape[:-1], shape[-1] + 3), 7.0, dtype=torch.float64)[..., : shape[-1]]


def unaligned(shape):
    """A view into a bucket, off by one element: aligned to 8 bytes and no more."""
    size = torch.Size(shape).numel()
    return torch.full((size + 5,), 7.0, dtype=torch.float64)[1 : 1 + size].view(shape)


def odd_unit_strides(shape):
    """Axes of length one may have any stride."""
    strides = list(torch.empty(shape).stride())
    strides = [999 if n == 1 else s for n, s in zip(shape, strides, strict=True)]
    return torch.empty_strided(shape, strides, dtype=torch.float64)


LAYOUTS = [
    (contiguous, (4, 3)),
    (contiguous, ()),
    (contiguous, (0,)),
    (contiguous, (3, 0, 2)),
    (contiguous, (1,)),
    (channels_last, (4, 3, 2, 2)),
    (transposed, (4, 3)),
    (transposed, (2, 3, 4)),
    (gapped, (4, 3)),
    (gapped, (5,)),
    (left_part, (4, 3)),
    (left_part, (2, 3, 2, 2)),
    (unaligned, (4, 3)),
    (odd_unit_strides, (3, 1)),
    (odd_unit_strides, (1, 4)),
]


def label(value):
    return value.__name__ if callable(value) else "x".join(map(str, value)) or "0-d"


def run(name, make_p, make_g, shape, steps=6, make=ours) -> Parameter:
    p = Parameter(make_p(shape).copy_(numbers(shape, 1)))
    opt = make(name, [p])
    for t in range(steps):
        p.grad = make_g(shape).copy_(numbers(shape, 10 + t))
        opt.step()
    return p


@pytest.mark.parametrize(("layout", "shape"), LAYOUTS, ids=label)
@pytest.mark.parametrize("name", OURS)
def test_a_parameter_may_lie_in_any_way(name, layout, shape):
    p = run(name, layout, layout, shape)
    assert p.stride() == layout(shape).stride()
    assert p.numel() == 0 or not torch.equal(p.detach(), numbers(shape, 1))
    assert_close([p], [run(name, contiguous, contiguous, shape)])


@pytest.mark.parametrize(("layout", "shape"), LAYOUTS, ids=label)
@pytest.mark.parametrize("name", OURS)
def test_a_gradient_may_lie_otherwise_than_its_parameter(name, layout, shape):
    assert_close(
        [run(name, contiguous, layout, shape), run(name, layout, contiguous, shape)],
        [run(name, contiguous, contiguous, shape)] * 2,
    )


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize(("layout", "shape"), LAYOUTS, ids=label)
@pytest.mark.parametrize("name", TWINS)
def test_the_numbers_are_torchs_in_any_layout(name, layout, shape):
    have = run(name, layout, layout, shape)
    assert_close([have], [run(name, layout, layout, shape, make=torchs)])


@pytest.mark.parametrize("name", OURS)
def test_a_gradient_of_stride_0_is_read_as_what_it_shows(name):
    """As `torch.autograd.grad` gives them for a sum."""
    spread, full = (Parameter(numbers((3, 4), 1)) for _ in range(2))
    one, other = ours(name, [spread]), ours(name, [full])
    for t in range(6):
        value = numbers((3, 1), 10 + t)
        spread.grad = value.expand(3, 4)
        full.grad = value.expand(3, 4).contiguous()
        one.step()
        other.step()
    assert_close([spread], [full])


@pytest.mark.parametrize("layout", [gapped, left_part, unaligned])
@pytest.mark.parametrize("name", OURS)
def test_nothing_beside_a_parameter_is_written(name, layout):
    p = run(name, layout, layout, (4, 3))
    around = torch.empty(0, dtype=p.dtype).set_(p.detach().untyped_storage())
    written = around != 7.0
    assert int(written.sum()) == p.numel()


@pytest.mark.parametrize("make_g", [contiguous, transposed, gapped, unaligned])
@pytest.mark.parametrize("name", OURS)
def test_gradients_are_never_written(name, make_g):
    p = Parameter(numbers((4, 3), 1))
    opt = ours(name, [p], maximize=True)
    grad = make_g((4, 3)).copy_(numbers((4, 3), 2))
    kept, version = grad.clone(), grad._version
    for _ in range(6):
        p.grad = grad
        opt.step()
        assert p.grad is grad
    assert torch.equal(grad, kept)
    assert grad._version == version


@pytest.mark.parametrize("name", OURS)
def test_parameters_that_share_a_bucket_are_stepped_apart(name):
    """As DDP and ZeRO lay them out: one storage, views at any offset, gradients likewise."""
    sizes = [3, 1, 7, 16, 2]
    values = [numbers((n,), i) for i, n in enumerate(sizes)]
    bucket, grad_bucket = (torch.zeros(sum(sizes), dtype=torch.float64) for _ in range(2))
    params = [Parameter(view.copy_(v)) for view, v in zip(bucket.split(sizes), values, strict=True)]
    alone = [Parameter(v.clone()) for v in values]
    opt, other = ours(name, params), ours(name, alone)
    for t in range(6):
        grad_bucket.copy_(numbers((sum(sizes),), 10 + t))
        for p, q, g in zip(params, alone, grad_bucket.split(sizes), strict=True):
            p.grad, q.grad = g, g.clone()
        opt.step()
        other.step()
    assert_close(params, alone)
    assert_close([bucket], [torch.cat([p.detach() for p in alone])])


@pytest.mark.parametrize("name", OURS)
def test_an_expanded_parameter_is_refused_as_in_torch(name):
    messages = []
    for make in (torchs if name in TWINS else ours, ours):
        p = Parameter(torch.ones(1, dtype=torch.float64).expand(3))
        opt = make(name, [p])
        p.grad = torch.ones(3, dtype=torch.float64)
        with pytest.raises(RuntimeError, match="more than one element") as error:
            opt.step()
        messages.append(type(error.value))
        assert torch.equal(p.detach(), torch.ones(3, dtype=torch.float64))
    assert messages[0] is messages[1]


@pytest.mark.parametrize("name", OURS)
def test_a_layout_may_change_from_step_to_step(name):
    p, plain = (Parameter(numbers((4, 4), 1)) for _ in range(2))
    opt, other = ours(name, [p]), ours(name, [plain])
    layouts = [contiguous, transposed, gapped, contiguous, unaligned, contiguous, contiguous]
    for t, layout in enumerate(layouts):
        grad = numbers((4, 4), 10 + t)
        p.grad, plain.grad = layout((4, 4)).copy_(grad), grad
        opt.step()
        other.step()
    assert_close([p], [plain])


@pytest.mark.parametrize("name", OURS)
def test_a_model_turned_to_channels_last_in_mid_run_goes_on(name):
    model, plain = (torch.nn.Conv2d(3, 4, 3, dtype=torch.float64) for _ in range(2))
    plain.load_state_dict(model.state_dict())
    opt, other = ours(name, model.parameters()), ours(name, plain.parameters())
    walk(opt, 3)
    walk(other, 3)
    model.to(memory_format=torch.channels_last)
    assert model.weight.stride() != plain.weight.stride()
    walk(opt, 5, start=3)
    walk(other, 5, start=3)
    assert_close(model.parameters(), plain.parameters())


@pytest.mark.parametrize("which", ["gradient", "state", "both"])
def test_strides_of_axes_of_size_one_cost_nothing_and_mean_nothing(which):
    """As autograd makes them for a depthwise convolution; the layout of all would be made anew."""
    shape, odd = (8, 1, 7, 7), (49, 1, 7, 1)
    p, q = Parameter(numbers(shape, 1)), Parameter(numbers(shape, 1))
    opt, other = ours("AdamW", [p]), ours("AdamW", [q])

    def restrided(tensor):
        return torch.empty_strided(shape, odd, dtype=tensor.dtype).copy_(tensor)

    layouts = set()
    for t in range(4):
        q.grad = numbers(shape, 10 + t)
        p.grad = restrided(q.grad) if which != "state" else q.grad.clone()
        if t == 1 and which != "gradient":
            for key in ("exp_avg", "exp_avg_sq"):
                opt.state[p][key] = restrided(opt.state[p][key])
        opt.step()
        other.step()
        if t > 1:
            layouts.add(id(opt._layout))
    assert opt._layout is not None
    assert len(layouts) == 1
    if which != "gradient":
        assert opt.state[p]["exp_avg"].stride() == odd
    assert_same([p], [q])


def test_strides_that_mean_something_are_seen():
    p, q = Parameter(numbers((6, 6), 1)), Parameter(numbers((6, 6), 1))
    opt, other = ours("AdamW", [p]), ours("AdamW", [q])
    for t in range(4):
        q.grad = numbers((6, 6), 10 + t)
        p.grad = q.grad.T.contiguous().T if t % 2 else q.grad.clone()
        opt.step()
        other.step()
    assert_same([p], [q])
