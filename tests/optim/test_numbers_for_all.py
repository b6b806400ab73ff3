"""A number that is one for all tensors is the same in all of them, also in those that rest."""

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from thalweg import mytorch

SHAPES = [(3, 2), (4,), (2, 2)]
# which of the three tensors have a gradient, step by step
HAVE = [(0,), (0, 1), (1,), (0,), (0, 1, 2), (2,), (0, 1, 2)]


def reference(values, gradients):
    """Prodigy in NumPy over tensors that come, and rest, as they will."""
    lr, b1, b2, eps, d0 = 1.0, 0.9, 0.999, 1e-8, 0.01
    b3, d, r = np.sqrt(b2), d0, 0.0
    held = [None] * len(values)
    values = [value.copy() for value in values]
    for have, grads in zip(HAVE, gradients, strict=True):
        rate, whole = d * lr, 0.0
        r *= b3
        for i in have:
            zero = np.zeros_like(values[i])
            held[i] = held[i] or {"m": zero, "v": zero, "s": zero, "p0": values[i].copy()}
            one, g = held[i], grads[i]
            r += d / d0 * rate * (g * (one["p0"] - values[i])).sum()
            one["s"] = b3 * one["s"] + d / d0 * rate * g
            one["m"] = b1 * one["m"] + (1 - b1) * d * g
            one["v"] = b2 * one["v"] + (1 - b2) * (d * g) ** 2
            whole += np.abs(one["s"]).sum()
        d = max(d, r / whole)
        for i in have:
            one = held[i]
            values[i] = values[i] - rate * one["m"] / (np.sqrt(one["v"]) + d * eps)
    return values, d


def data():
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape) for shape in SHAPES]
    return values, [[rng.standard_normal(shape) for shape in SHAPES] for _ in HAVE]


def run(kind, values, gradients):
    """The weights, and the number d in each parameter's state, after the steps."""
    if kind == "mytorch":
        params = [mytorch.nn.Parameter(value.copy()) for value in values]
        opt = mytorch.optim.Prodigy(params, d0=0.01)
    else:
        # elements with gaps between them are no kernel's
        gaps = kind == "as written"
        stored = [
            torch.tensor(np.stack([v, v], -1))[..., 0] if gaps else torch.tensor(v) for v in values
        ]
        params = [torch.nn.Parameter(value) for value in stored]
        opt = optim.Prodigy(params, d0=0.01)
    for have, grads in zip(HAVE, gradients, strict=True):
        for i, p in enumerate(params):
            grad = grads[i] if kind == "mytorch" else torch.tensor(grads[i])
            p.grad = grad if i in have else None
        opt.step()
    found = [p.data if kind == "mytorch" else p.detach().numpy() for p in params]
    return found, [float(opt.state[p]["d"]) for p in params]


@pytest.mark.parametrize("kind", ["fused", "as written", "mytorch"])
def test_tensors_that_join_and_rest_have_the_same_number(kind):
    values, gradients = data()
    have, numbers = run(kind, values, gradients)
    want, d = reference(values, gradients)
    np.testing.assert_allclose(numbers, d, rtol=1e-12)
    for one, other in zip(have, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "key"),
    [("Prodigy", "d"), ("ScheduleFreeAdamW", "weight_sum"), ("NovoGrad", "exp_avg_norm_sq")],
)
def test_a_file_that_lacks_a_kept_number_is_refused(name, key):
    """One that began anew would change the steps, and nobody would see why."""
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    opt = getattr(optim, name)([p])
    opt.step()
    saved = opt.state_dict()
    saved["state"] = {0: {k: v for k, v in saved["state"][0].items() if k != key}}
    with pytest.raises(ValueError, match=key):
        opt.load_state_dict(saved)
