"""Writes `docs/parity.md`: how far a step of ours is from torch's, in every configuration.

python scripts/write_parity.py            measure (some minutes) and write the page anew
python scripts/write_parity.py --check    say whether it lists what would be measured
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import llvmlite
import numpy
import torch

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # for `tests`, which the measurement is shared with

import thalweg.optim  # noqa: E402
from tests.optim.parity import Apart, Parity, measure  # noqa: E402
from tests.optim.subjects import CLASSES, KINDS, PATHS, Kind, Subject, subject  # noqa: E402

PAGE = ROOT / "docs" / "parity.md"
STEPS = 20

Measured = Mapping[tuple[str, Kind], Mapping[str, Parity]]

_IN_DOUBLE, _BESIDE_SINGLE, *_NARROWER = KINDS
_SHOWN = [_IN_DOUBLE, *_NARROWER]

_INTRODUCTION = """# Parity with torch.optim

Made by `scripts/write_parity.py`; run it again rather than change a number here.

The configurations are those that torch tests its own optimizers with
(`torch.testing._internal.common_optimizers.optim_db`): every class, every set of settings, every
flag. Ours, with those flags, is compared with torch's plain loop (`foreach=False`), which is what
torch's own other forms are held to.

A number is a worst case over all elements and steps, in ULP (the distance between neighbours) of
the type that the compared number is kept in, at the larger of what it was before the step and what
it is after it. Where weight decay all but cancels a gradient, and the gradient's last bit decides
more than two ULP, the unit is half of what it decides. Two numbers in a cell, `2 / 3`, are those of
the parameters and of their states. A dash: torch's class refuses such parameters, or there is
nothing to compare.

Half a ULP is rounding once, and no result can be nearer to the truth than that; two ways to write
the same sum of three numbers may already be 1 ULP apart. In a float64 column the numbers kept per
parameter (`step`, `eta`, `mu_product`) and settings that are tensors are float64 as well, as in a
program that calls `torch.set_default_dtype(torch.float64)`; [below](#numbers-in-float32) is what
they cost in float32.
"""

_STEP = """## One step

Every step starts from torch's numbers, which ours takes over through `state_dict`: what is
measured is one step, and that the two can take turns at any of them.
"""

_RUN = """## A run

Both start from the same parameters and are on their own for {steps} steps (LBFGS: 2).
"""

_TRUTH = """## From the truth

One step of ours and one of torch's, each compared with torch's class in float64 from the same
numbers. In bfloat16 torch rounds after every operation, ours once. A step of LBFGS is 20 iterations
down a loss that is itself computed in the parameters' type, in ours as in torch's.
"""

_BESIDE = """## Numbers in float32

Parameters in float64, in a program whose default type is float32. There torch keeps `eta`, `mu`
and `mu_product` in float32, and computes in float32 with a setting that is a float32 tensor. Ours
reads such numbers and computes in double, unless `differentiable=True` asks that a tensor stay one.
The parameters after one step, in ULP of float64, of which one ULP of float32 is 5e+08.
"""

_DECAY = """## A small decay

AdamW at a rate of {lr:g} and a decay of {weight_decay:g}, float32, {steps} steps along the same
gradients: the largest distance between any two weights of two runs, started alike. At each step the
decay takes {lr:g} x {weight_decay:g} of a weight, {ulps:.0f} ULP of 1. torch's two forms agree, and
are farther from float64 than ours: they round the weight once after the decay and once more after
the step, and the first of these rounds the same way step after step. Ours rounds it once.
"""

_EACH = """## Every configuration

One step, as above. `foreach`, `fused` and `capturable` choose nothing in ours and share a row;
`differentiable` runs the reference engine, the one that the fused pass is held to.
"""


def page(measured: Measured, decay: Sequence[Sequence[str]]) -> str:
    """The text of the page."""
    kinds = [str(kind.dtype).removeprefix("torch.") for kind in _SHOWN]
    parts = [
        _INTRODUCTION,
        _versions(),
        _STEP,
        _table(["", *kinds], _worst(measured, "step")),
        _RUN.format(steps=STEPS),
        _table(["", *kinds], _worst(measured, "run")),
        _TRUTH,
        _table(["", *_pairs(kinds[1:])], _off(measured, _NARROWER)),
        _BESIDE,
        _table(["", "from torch", "ours, from the truth", "torch, from it"], _beside(measured)),
        _small_decay(decay),
        _EACH,
    ]
    for name in CLASSES:
        rows = _each(subject(name), measured)
        parts += [f"### {name}\n", _table(["settings", "flags", *kinds], rows)]
    return "\n".join(parts)


SMALL = {"lr": 1e-4, "weight_decay": 1e-2}
SMALL_STEPS = 636
FORMS = ("ours", "torch's default", "torch, `fused=True`")


def _small_decay(rows: Sequence[Sequence[str]]) -> str:
    ulps = SMALL["lr"] * SMALL["weight_decay"] / torch.finfo(torch.float32).eps
    head = _DECAY.format(**SMALL, steps=SMALL_STEPS, ulps=ulps)
    table = _table(["", "from torch's default", "from torch's in float64"], rows)
    return f"{head}\n{table}"


def small_decays() -> list[list[str]]:
    """The rows of its table, measured."""
    ends = [
        _decayed(thalweg.optim.AdamW, torch.float32),
        _decayed(torch.optim.AdamW, torch.float32),
        _decayed(torch.optim.AdamW, torch.float32, fused=True),
    ]
    truth = _decayed(torch.optim.AdamW, torch.float64)
    return [
        [form, *(_number(float((p.double() - q).abs().max())) for q in (ends[1].double(), truth))]
        for form, p in zip(FORMS, ends, strict=True)
    ]


def _decayed(make: Any, dtype: torch.dtype, **flags: Any) -> torch.Tensor:
    """Where a run ends; in every type from the same numbers along the same gradients."""
    generator = torch.Generator().manual_seed(0)
    p = torch.nn.Parameter(torch.randn(1 << 16, generator=generator).to(dtype))
    opt = make([p], **SMALL, **flags)
    for _ in range(SMALL_STEPS):
        p.grad = torch.randn(p.shape, generator=generator).to(dtype)
        opt.step()
    return p.detach()


def _versions() -> str:
    versions = {"thalweg": thalweg, "torch": torch, "NumPy": numpy, "llvmlite": llvmlite}
    named = [f"{name} {module.__version__}" for name, module in versions.items()]
    machine = f"Python {platform.python_version()} on {platform.machine()}"
    return f"Measured with {', '.join(named)}, {machine}.\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _pairs(kinds: Iterable[str]) -> list[str]:
    return [f"{kind}, {whose}" for kind in kinds for whose in ("ours", "torch")]


def _worst(measured: Measured, what: str) -> Iterator[list[str]]:
    for name in CLASSES:
        yield [name, *(_cell(subject(name), kind, measured, what) for kind in _SHOWN)]


def _off(measured: Measured, kinds: Sequence[Kind]) -> Iterator[list[str]]:
    for name in CLASSES:
        of = subject(name)
        cells = (_cell(of, kind, measured, whose) for kind in kinds for whose in ("ours", "torchs"))
        yield [name, *cells]


def _beside(measured: Measured) -> Iterator[list[str]]:
    for name in CLASSES:
        worst = _total(measured[name, _BESIDE_SINGLE].values())
        yield [name, *(_number(apart.p) for apart in (worst.step, worst.ours, worst.torchs))]


def _each(of: Subject, measured: Measured) -> Iterator[list[str]]:
    rows: dict[tuple[str, bool], list[str]] = {}
    for description, settings in of.configs.items():
        key = (_settings(settings), bool(settings.get("differentiable")))
        rows.setdefault(key, []).append(description)
    for (text, _), descriptions in rows.items():
        flags = dict.fromkeys(_flags(of.configs[one]) for one in descriptions)
        cells = [_cell(of, kind, measured, "step", descriptions) for kind in _SHOWN]
        yield [text, ", ".join(flags), *cells]


def _settings(settings: Mapping[str, Any]) -> str:
    shown = [f"{n}={_value(v)}" for n, v in settings.items() if n not in PATHS]
    return f"`{', '.join(shown)}`" if shown else "the defaults"


def _value(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"tensor({value.item():g})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    return repr(value)


def _flags(settings: Mapping[str, Any]) -> str:
    return " + ".join(f"`{name}`" for name in PATHS if settings.get(name)) or "none"


def _cell(
    of: Subject,
    kind: Kind,
    measured: Measured,
    what: str,
    descriptions: Iterable[str] | None = None,
) -> str:
    """The worst of some configurations, or of all."""
    if not of.takes(kind):
        return "-"
    found = measured[of.name, kind]
    worst: Apart = getattr(_total(found[one] for one in descriptions or found), what)
    return f"{_number(worst.p)} / {'-' if of.needs_closure else _number(worst.states)}"


def _total(found: Iterable[Parity]) -> Parity:
    worst = Parity()
    for one in found:
        worst = worst.or_more(one)
    return worst


def _number(ulp: float) -> str:
    return f"{ulp:.0f}" if 10 <= ulp < 1e5 else f"{ulp:.2g}"


def _unmeasured() -> Measured:
    """Every configuration, each with nothing measured."""
    return {(n, k): {one: Parity() for one in subject(n).configs} for n in CLASSES for k in KINDS}


def _measured() -> Measured:
    found: dict[tuple[str, Kind], Mapping[str, Parity]] = {}
    for name in CLASSES:
        if getattr(thalweg.optim, name) is getattr(torch.optim, name):
            raise SystemExit(f"{name} is torch's own here, and would be compared with itself")
        of = subject(name)
        for kind in KINDS:
            found[name, kind] = measure(of, kind, STEPS) if of.takes(kind) else {}
        print(f"{name}: {len(of.configs)} configurations", file=sys.stderr)
    return found


def structure(text: str) -> str:
    """The page without what differs between machines: its measurements and the versions."""
    text = re.sub(r"^Measured .*$", "Measured", text, flags=re.MULTILINE)
    number = r"(?:\d[\d.e+-]*|inf)"
    return re.sub(rf"(?<=\| ){number}(?= [|/])|(?<=[\d-] / ){number}(?= \|)", "0", text)


def main(arguments: Sequence[str], path: Path = PAGE) -> int:
    """Write the page; with `--check`, only compare its structure. Returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: write_parity.py [--check]", file=sys.stderr)
        return 2
    if not arguments:
        path.write_text(page(_measured(), small_decays()), encoding="utf-8")
        return 0
    expected = structure(page(_unmeasured(), [[form, "0", "0"] for form in FORMS]))
    if not path.exists() or structure(path.read_text(encoding="utf-8")) != expected:
        print(
            f"{path.name} does not list what would be measured: run scripts/write_parity.py",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
