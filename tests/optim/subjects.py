"""The classes of torch.optim, and every configuration that torch tests its own with."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

__all__ = ["CLASSES", "KINDS", "PATHS", "SHAPES", "Kind", "Subject", "subject"]

CLASSES = sorted(
    name
    for name, made in vars(torch.optim).items()
    if isinstance(made, type) and issubclass(made, torch.optim.Optimizer)
    if made is not torch.optim.Optimizer
)

# a tensor of several vector registers and a rest, a number, kernels
SHAPES = [(37, 5), (), (2, 3, 3, 3)]

# flags that choose how torch computes and not what
PATHS = ("foreach", "fused", "differentiable", "capturable")

LIST = "torch.testing._internal.common_optimizers"

# Run in a process of its own, unless this one has the list already: importing it loads 1,900
# modules, loads another profile into hypothesis (10 examples, a deadline) and locks the flags of
# torch.backends. Of "cuda" and "mps" there are more configurations than of "cpu", and every one of
# them runs on the CPU too.
_EXPORT = """
import importlib.util, sys, types, unittest
import torch

if importlib.util.find_spec("expecttest") is None:  # what torch's own test cases derive from
    sys.modules["expecttest"] = types.SimpleNamespace(TestCase=unittest.TestCase)
from torch.testing._internal import common_optimizers as torchs


def accepts(cls, shape, **settings):
    try:
        cls([torch.zeros(shape)], **settings)
    except (ValueError, RuntimeError):
        return False
    return True


found = {}
for info in torchs.optim_db:
    configs = {
        one.desc: {name: value for name, value in one.kwargs.items() if value is not False}
        for device in ("cpu", "cuda", "mps")
        for one in torchs._get_optim_inputs_including_global_cliquey_kwargs(device, None, info)
    }
    found[info.name] = {
        "configs": {d: s for d, s in configs.items() if accepts(info.optim_cls, (2, 2), **s)},
        "has_foreach": "foreach" in info.supported_impls,
        "takes_complex": info.supports_complex,
        "takes_vectors": accepts(info.optim_cls, (2,)),
        "needs_closure": info.step_requires_closure,
        "needs_sparse": info.only_supports_sparse_grads,
    }
torch.save(found, path)
"""


@dataclass(frozen=True)
class Kind:
    """A type of parameters, and the type that a program's numbers have by default."""

    dtype: torch.dtype
    default: torch.dtype = torch.float32

    def __str__(self) -> str:
        name = str(self.dtype).removeprefix("torch.")
        return f"{name}, numbers too" if self.default == torch.float64 else name

    def widened(self) -> Kind:
        """The kind to compute the truth in: everything in double."""
        double = torch.complex128 if self.dtype.is_complex else torch.float64
        return Kind(double, torch.float64)


KINDS = [
    Kind(torch.float64, torch.float64),
    Kind(torch.float64),
    Kind(torch.float32),
    Kind(torch.complex64),
    Kind(torch.bfloat16),
]


@dataclass(frozen=True)
class Subject:
    """One class of torch.optim, and what torch's list of them says of it."""

    name: str
    configs: Mapping[str, Mapping[str, Any]]  # settings and flags, under torch's words for them
    has_foreach: bool
    takes_complex: bool
    takes_vectors: bool
    needs_closure: bool
    needs_sparse: bool

    def takes(self, kind: Kind) -> bool:
        """Whether torch's class takes such parameters."""
        return self.takes_complex or not kind.dtype.is_complex

    def without_repeats(self) -> Subject:
        """One configuration of those that differ in flags which choose nothing in ours."""
        idle = [path for path in PATHS if path != "differentiable"]
        found: dict[str, str] = {}
        for description, settings in self.configs.items():
            chosen = {name: value for name, value in settings.items() if name not in idle}
            found.setdefault(repr(chosen), description)
        return replace(self, configs={one: self.configs[one] for one in found.values()})

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of parameters that torch's class takes."""
        if not self.takes_vectors:
            return [shape for shape in SHAPES if len(shape) == 2] + [(4, 9)]
        return [shape for shape in SHAPES if shape or not self.needs_sparse]


@cache
def _found() -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "found"))
        if LIST in sys.modules:
            exec(_EXPORT, {"path": path})
        else:
            command = [sys.executable, "-c", f"path = {path!r}\n{_EXPORT}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return torch.load(path, weights_only=True)


def subject(name: str) -> Subject:
    """What torch's list of optimizers says of one class."""
    return Subject(name, **_found()[name])
