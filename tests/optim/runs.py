"""What the tests here share: parameters, gradients, steps, and torch's class of the same name."""

import io
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

import thalweg.optim as optim

# every class of ours, with settings that leave none of its states out
OURS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.01, "amsgrad": True, "weight_decay": 0.01},
    "AdamW": {"lr": 0.01},
    "RAdam": {"lr": 0.01, "betas": (0.9, 0.95)},
    "Ranger": {"lr": 0.01, "betas": (0.9, 0.95), "k": 4, "weight_decay": 0.01},
}
# those that torch has too
TWINS = {name: settings for name, settings in OURS.items() if name != "Ranger"}

SHAPES = ((3, 4), (4,), (), (2, 3, 2, 2), (0, 3))

# Two ways to compute the same lines differ in the last bits of each step, and steps add up. bf16
# has 8 bits, and torch's plain loop rounds to them after every operation.
TOLERANCE = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-13},
    torch.complex128: {"rtol": 1e-12, "atol": 1e-13},
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.complex64: {"rtol": 1e-5, "atol": 1e-6},
    torch.float16: {"rtol": 4e-3, "atol": 2e-3},
    torch.bfloat16: {"rtol": 3e-2, "atol": 1.5e-2},
}


def ours(name: str, params, **settings) -> torch.optim.Optimizer:
    return getattr(optim, name)(params, **(OURS[name] | settings))


def torchs(name: str, params, **settings) -> torch.optim.Optimizer:
    return getattr(torch.optim, name)(params, **(OURS[name] | settings))


def numbers(shape: Sequence[int], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    return torch.randn(tuple(shape), generator=generator, dtype=wide).to(dtype)


def weights(
    shapes: Iterable[Sequence[int]] = SHAPES, dtype: torch.dtype = torch.float64
) -> list[Parameter]:
    return [Parameter(numbers(shape, seed, dtype)) for seed, shape in enumerate(shapes)]


def give_gradients(params: Iterable[Tensor], t: int) -> None:
    """Put the gradients of step t on the parameters, laid out as the parameters are."""
    for i, p in enumerate(params):
        grad = numbers(p.shape, 1000 * (t + 1) + i, p.dtype)
        p.grad = torch.empty_like(p, requires_grad=False).copy_(grad)


def walk(opt: torch.optim.Optimizer, steps: int = 1, start: int = 0) -> None:
    """Take steps `start` to `start + steps` along gradients that depend on the step alone."""
    for t in range(start, start + steps):
        give_gradients([p for group in opt.param_groups for p in group["params"]], t)
        opt.step()


def reloaded(state_dict: dict) -> dict:
    """A state_dict after a trip through a file, read as untrusted files are."""
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def values(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [t.detach().clone() for t in tensors]


def assert_close(have: Iterable[Tensor], want: Iterable[Tensor]) -> None:
    """Equal up to the rounding of the wanted tensors' type."""
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), **TOLERANCE[b.dtype], check_stride=False)


def assert_same(have: Iterable[Tensor], want: Iterable[Tensor]) -> None:
    """Equal bit for bit."""
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), rtol=0, atol=0, equal_nan=True)


def assert_same_state(one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> None:
    """Both hold the same states under the same keys, bit for bit."""
    a, b = one.state_dict()["state"], other.state_dict()["state"]
    assert a.keys() == b.keys()
    for i in a:
        assert a[i].keys() == b[i].keys()
        assert_same(a[i].values(), b[i].values())
