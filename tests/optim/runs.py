"""What the tests here share: parameters, gradients, steps, and torch's class of the same name."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

import thalweg.optim as optim
from tests.cases import SUBJECTS
from thalweg.optimizers import OPTIMIZERS
from thalweg.stages import Lookahead

# every class of ours, with settings that leave none of its states out
EVERY = {one.name: one.whole for one in SUBJECTS}
# without those that are made for sparse gradients
OURS = {one.name: one.whole for one in SUBJECTS if not one.is_for_sparse}
# those that torch has too
TWINS = {one.name: one.whole for one in SUBJECTS if one.has_twin and not one.is_for_sparse}
# and with those that torch has for sparse gradients alone
NAMESAKES = [one.name for one in SUBJECTS if one.has_twin]
FOR_SPARSE = [one.name for one in SUBJECTS if one.is_for_sparse]
# those that count their steps
COUNTING = [name for name in OURS if "step" in OPTIMIZERS[name].cells]
# numbers that some keep beside the count, by their keys
NUMBERS = {
    name: keys
    for name in OURS
    if (keys := tuple(key for key in OPTIMIZERS[name].cells if key != "step"))
}
# those of which no number is one for all parameters, kept or summed up anew
APART = [name for name in OURS if not (OPTIMIZERS[name].shared or OPTIMIZERS[name].asked_of_all)]
# those that look ahead, every k steps
LOOKING_AHEAD = [
    name for name in OURS if any(part.declared is Lookahead for part in OPTIMIZERS[name].parts)
]
# other values for settings of each class, all of them good in mid-run as well
CHANGED = {one.name: one.changed for one in SUBJECTS if not one.is_for_sparse}

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
    return getattr(optim, name)(params, **(EVERY[name] | settings))


def torchs(name: str, params, **settings) -> torch.optim.Optimizer:
    return getattr(torch.optim, name)(params, **(EVERY[name] | settings))


def having(*settings: str) -> list[str]:
    """The classes that take one of these settings."""
    chains = {name: getattr(optim, name).chain for name in OURS}
    return [name for name, made in chains.items() if set(settings) & set(made.defaults)]


def arrays_of(opt: torch.optim.Optimizer, p: Tensor) -> dict[str, Tensor]:
    """The states that one of ours keeps in the parameter's shape, without the numbers beside."""
    keys = [slot.key for slot in opt._chain.slots]
    return {key: opt.state[p][key] for key in keys if key in opt.state[p]}


def all_arrays(opt: torch.optim.Optimizer) -> list[tuple[dict, str]]:
    """Where each such state of each parameter is kept: a dictionary and a key."""
    return [(opt.state[p], key) for p in opt.state for key in arrays_of(opt, p)]


def type_of_number(name: str, key: str) -> torch.dtype:
    """In which type an optimizer keeps one of its numbers."""
    return torch.float64 if key in OPTIMIZERS[name].doubles else torch.float32


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


def tensors(state: Mapping[str, Any]) -> list[Tensor]:
    """What is kept of one parameter, as tensors: SparseAdam's step is a Python int."""
    return [value if isinstance(value, Tensor) else torch.tensor(value) for value in state.values()]


def assert_same_state(one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> None:
    """Both hold the same states under the same keys, bit for bit."""
    a, b = one.state_dict()["state"], other.state_dict()["state"]
    assert a.keys() == b.keys()
    for i in a:
        assert a[i].keys() == b[i].keys()
        assert_same(tensors(a[i]), tensors(b[i]))


def prepared(opt: torch.optim.Optimizer) -> int:
    """How many steps were prepared ones."""
    return opt._prepared.taken
