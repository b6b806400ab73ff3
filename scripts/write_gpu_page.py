"""Writes the table in `docs/gpu.md`: what Triton's compiler makes of the kernels, without a device.

python scripts/write_gpu_page.py               compile all (some minutes) and write the table anew
python scripts/write_gpu_page.py --json NAME ARCHITECTURE FORMAT
                                               one optimizer's kernels, for a test

It needs triton, and no GPU: `make gpu` makes `.venv-gpu`, which has it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    os.environ.pop("TRITON_INTERPRET", None)
    sys.path.insert(0, str(ROOT))

import triton  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from tests.plain import PLAIN  # noqa: E402
from thalweg.fuse.gpu.engine import BLOCK  # noqa: E402
from thalweg.fuse.gpu.kernels import kernel_of, options_for  # noqa: E402
from thalweg.fuse.gpu.text import ARGUMENTS, kernel_text  # noqa: E402
from thalweg.fuse.plan import Pass, plan_for  # noqa: E402
from thalweg.fuse.storage import FORMATS, computation  # noqa: E402
from thalweg.optimizers import OPTIMIZERS  # noqa: E402

PAGE = ROOT / "docs" / "gpu.md"
START, END = "<!-- made by scripts/write_gpu_page.py -->", "<!-- end -->"
ARCHITECTURES = ("80", "90", "gfx942")
# A step in the middle of a run: RAdam rectifies, and nothing looks ahead
_STEP, _SHAPE = 7, (1024, 1024)
# of one multiprocessor of sm_80 and sm_90 alike: registers, threads, and what is handed out at once
_REGISTERS, _THREADS, _UNIT = 65536, 2048, 256


@dataclass(frozen=True)
class Code:
    """One kernel as it was compiled: `wide` and `narrow` are its 128-bit accesses to memory and the
    shorter ones, `doubles` its instructions in double precision, by name."""

    does: str
    warps: int
    registers: int
    spills: int
    wide: dict[str, int]
    narrow: dict[str, int]
    doubles: dict[str, int]

    @property
    def occupancy(self) -> float:
        """The share of a multiprocessor's threads that its registers leave room for."""
        of_warp = -(-self.registers * 32 // _UNIT) * _UNIT
        blocks = _REGISTERS // (of_warp * self.warps)
        return min(1.0, blocks * 32 * self.warps / _THREADS)


def passes_of(name: str) -> list[Pass]:
    """The passes of a step of one tensor, under the optimizer's own settings."""
    made = OPTIMIZERS[name]
    views = made.views(made.defaults)
    decided = made.decide(views, _STEP, {}, _SHAPE, made.first_cells(views))
    plan = plan_for(made, decided.ways)
    return [*plan.reductions, plan.main]


def compiled(pass_: Pass, title: str, architecture: str, form: str) -> Code:
    """A pass as the kernel of an architecture: "80" and "90" are CUDA's, "gfx942" is AMD's."""
    text = kernel_text(pass_, [form] * len(pass_.streams), computation(form), title)
    sizes = {"ROWS": 1, "COLUMNS": BLOCK} if pass_.is_by_rows else {"BLOCK": BLOCK}
    signature = {name: "i32" if name in ("k_from", "k_turn") else "i64" for name in ARGUMENTS}
    signature |= dict.fromkeys(sizes, "constexpr")
    is_amd = architecture.startswith("gfx")
    target = ("hip", architecture, 64) if is_amd else ("cuda", int(architecture), 32)
    source = ASTSource(kernel_of(text, title), signature, constexprs=sizes)
    options = options_for(pass_, [form], target[2])
    asm = triton.compile(source, target=GPUTarget(*target), options=options).asm
    about = "stores" if pass_.stores else "adds up", options["num_warps"]
    return _of_amd(asm["amdgcn"], *about) if is_amd else _of_cuda(asm, *about)


def _of_cuda(asm: Any, does: str, warps: int) -> Code:
    accesses = Counter(re.findall(r"\b(ld|st)\.global(\S*)", asm["ptx"]))
    wide, narrow = Counter[str](), Counter[str]()
    for (verb, how), count in accesses.items():
        is_wide = how.endswith((".v4.b32", ".v2.b64"))
        (wide if is_wide else narrow)[verb] += count
    usage = _usage(asm["cubin"])
    doubles = Counter(re.findall(r"\b([a-z]\S*\.f64\S*)\s", asm["ptx"]))
    return Code(
        does,
        warps,
        usage["REG"],
        usage["STACK"] + usage["LOCAL"],
        dict(wide),
        dict(narrow),
        dict(doubles),
    )


def _usage(cubin: bytes) -> dict[str, int]:
    """What a kernel takes, by NVIDIA's own tool, which Triton brings."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        said = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        )
    return {name: int(value) for name, value in re.findall(r"(\w+):(\d+)", said.stdout)}


def _of_amd(text: str, does: str, warps: int) -> Code:
    accesses = re.findall(r"\b(?:global|buffer|flat)_(load|store)_(\w+)", text)
    wide = Counter(verb for verb, how in accesses if how == "dwordx4")
    narrow = Counter(verb for verb, how in accesses if how != "dwordx4")
    numbers = {k: int(v) for k, v in re.findall(r"\.(\w+_count):\s*(\d+)", text)}
    spills = numbers["vgpr_spill_count"] + numbers["sgpr_spill_count"]
    doubles = Counter(re.findall(r"\bv_\w*f64\w*", text))
    counts = numbers["vgpr_count"], spills
    return Code(does, warps, *counts, dict(wide), dict(narrow), dict(doubles))


def moved(name: str, size: int) -> tuple[int, int]:
    """The bytes that a step moves per element, and those that it cannot do without: every array
    read once, and what is new of it written once."""
    passes = passes_of(name)
    short = frozenset().union(*(one.by_row | one.by_column for one in passes))
    reads = [{*one.loads} - short for one in passes]
    writes = sum(len({*one.stores} - short) for one in passes)
    least = len(set().union(*reads)) + len({*passes[-1].stores} - short)
    return size * (sum(map(len, reads)) + writes), size * least


def rows() -> Iterator[str]:
    """The lines of the table."""
    yield "| optimizer | kernel | registers | occupancy | double precision | bytes | least |"
    yield "|---|---|---|---|---|---|---|"
    for name in PLAIN:
        bytes_, least = moved(name, FORMATS["float32"].size)
        codes = [compiled(one, name, "90", "float32") for one in passes_of(name)]
        for i, code in enumerate(codes):
            own = (name, f"{bytes_}", f"{least}") if i == 0 else ("", "", "")
            doubles = "in its sums" if code.doubles else "none"
            yield (
                f"| {own[0]} | {code.does} | {code.registers} | {code.occupancy:.0%} | {doubles} "
                f"| {own[1]} | {own[2]} |"
            )
        print(name, *(code.registers for code in codes), file=sys.stderr)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--json"]:
        _, name, architecture, form = arguments
        found = [asdict(compiled(one, name, architecture, form)) for one in passes_of(name)]
        print(json.dumps(found))
        return 0
    if arguments:
        print("usage: write_gpu_page.py [--json NAME ARCHITECTURE FORMAT]", file=sys.stderr)
        return 2
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    table = "\n".join(rows())
    PAGE.write_text(f"{before}{START}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
