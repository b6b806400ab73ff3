"""The step that an offloaded optimizer takes on the CPU: ours and torch's forms, in four patterns.

one optimizer       FSDP2 with CPUOffloadPolicy, on what one rank has of the parameters
one per parameter   torchao's CPUOffloadOptimizer
one flat tensor     DeepSpeed's ZeRO, on one partition
optim.offload       ours with its copies, the CPU standing for the device, for torch's AdamW
                    between the same copies

With --one-set all step the same tensors and keep the same states there, for models that fit into
memory only once: a billion parameters in float32 take 16 GB. Then there is the first pattern, and
no form that makes temporary copies of everything (foreach) or has states of its own kind.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from environment import REUSE_MEMORY, restart_with
from flags import make_parser, positive
from report import Report, Target, make_table

import thalweg.optim as optim
from thalweg.lab.bench.alternate import alternate, ratio, summarize
from thalweg.lab.bench.shapes import transformer

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PATTERNS = ("one optimizer", "one per parameter", "one flat tensor", "optim.offload")
TORCHS: dict[str, dict[str, Any]] = {
    "torch loop": {"foreach": False},
    "torch foreach": {"foreach": True},
    "torch fused": {"fused": True},
}
TARGETS = [
    Target(f"{kind}, {pattern}: AdamW / torch's best", "<=", 1.0)
    for kind in TYPES
    for pattern in PATTERNS
]
DEEPSPEED = "DeepSpeed's CPUAdam"
ON_ONE_SET = ("AdamW", "torch loop", "torch fused", DEEPSPEED)
Step = Callable[[], Any]


def shapes_of(millions: int) -> list[tuple[int, ...]]:
    """The matrices and vectors of transformer blocks, as many as make about so many elements."""
    width = 512 if millions < 100 else 1024
    blocks = max(round(millions * 1e6 / (12 * width * width)), 1)
    return transformer(width, blocks, 0, 0)[2:-2]


def parameters(shapes: list[tuple[int, ...]], dtype: torch.dtype) -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    params = []
    for shape in shapes:
        p, grad = (torch.randn(shape, generator=generator) * x for x in (1.0, 1e-2))
        params.append(torch.nn.Parameter(p.to(dtype)))
        params[-1].grad = grad.to(dtype)
    return params


def flat(params: list[Any]) -> list[Any]:
    """One tensor of all of them."""
    whole = torch.nn.Parameter(torch.cat([p.detach().reshape(-1) for p in params]))
    whole.grad = torch.cat([p.grad.reshape(-1) for p in params])
    return [whole]


def each(make: Callable[[list[Any]], Any], params: list[Any]) -> Step:
    """An optimizer for every parameter."""
    made = [make([p]) for p in params]

    def step() -> None:
        for one in made:
            one.step()

    return step


def between_copies(make: Callable[[list[Any]], Any], params: list[Any]) -> Step:
    """An optimizer of twins; gradients come to them, and the weights go back."""
    twins = [torch.nn.Parameter(p.detach().clone()) for p in params]
    for twin, p in zip(twins, params, strict=True):
        twin.grad = torch.empty_like(p.grad)
    opt = make(twins)

    @torch.no_grad()
    def step() -> None:
        for twin, p in zip(twins, params, strict=True):
            twin.grad.copy_(p.grad)
        opt.step()
        for twin, p in zip(twins, params, strict=True):
            p.copy_(twin)

    return step


def offloaded(name: str, params: list[Any]) -> Step:
    """Ours, whose gradients are new at every step."""
    opt = optim.offload(params, getattr(optim, name))

    grads = [p.grad for p in params]

    def step() -> None:
        torch.autograd.graph.increment_version(grads)  # as after a backward pass: copied again
        opt.step()

    return step


def makers() -> dict[str, Callable[[list[Any]], Any]]:
    """Every optimizer there is here, of ours and of others."""
    found: dict[str, Callable[[list[Any]], Any]] = {}
    for name in ("AdamW", "Ranger"):
        found[name] = getattr(optim, name)
    for name, form in TORCHS.items():
        found[name] = lambda params, form=form: torch.optim.AdamW(params, **form)
    if importlib.util.find_spec("deepspeed"):
        from deepspeed.ops.adam import DeepSpeedCPUAdam

        found[DEEPSPEED] = DeepSpeedCPUAdam
    if importlib.util.find_spec("bitsandbytes"):
        from bitsandbytes.optim import AdamW as BitsAndBytes

        found["bitsandbytes"] = BitsAndBytes
    return found


def steps_of(pattern: str, params: Callable[[], list[Any]]) -> dict[str, Step]:
    """A step of each optimizer in a pattern."""
    found: dict[str, Step] = {}
    for name, make in makers().items():
        if pattern == "one optimizer":
            found[name] = make(params()).step
        elif pattern == "one per parameter":
            found[name] = each(make, params())
        elif pattern == "one flat tensor" and name != "Ranger":  # whose rows are lost
            found[name] = make(flat(params())).step
        elif pattern == "optim.offload":
            is_ours = name in ("AdamW", "Ranger")
            found[name] = offloaded(name, params()) if is_ours else between_copies(make, params())
    return found


def on_one_set(params: list[Any]) -> dict[str, Step]:
    """A step of each AdamW, all of them on these tensors and with the same states."""
    made = {n: make(params) for n, make in makers().items() if n in ON_ONE_SET}
    averages = [(torch.zeros_like(p), torch.zeros_like(p)) for p in params]
    for name, opt in made.items():
        for p, (m, v) in zip(params, averages, strict=True):
            step = 0 if name == DEEPSPEED else torch.tensor(0.0)
            opt.state[p] = {"step": step, "exp_avg": m, "exp_avg_sq": v}
    return {name: opt.step for name, opt in made.items()}


def main() -> None:
    parser = make_parser(__doc__ or "", only=PATTERNS)
    parser.add_argument("--one-set", action="store_true", help="all step the same tensors")
    parser.add_argument("--millions", type=positive, default=19, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=12, help="(default: %(default)s)")
    asked = parser.parse_args()
    restart_with(REUSE_MEMORY)
    torch.set_num_threads(asked.threads)
    report, shapes = Report(asked), shapes_of(asked.millions)
    patterns = PATTERNS[:1] if asked.one_set else (asked.only,) if asked.only else PATTERNS
    found, seconds = {}, {}
    for kind, dtype in TYPES.items():
        for pattern in patterns:
            steps = None  # what was measured before goes first
            if asked.one_set:
                steps = on_one_set(parameters(shapes, dtype))
            else:
                steps = steps_of(pattern, lambda dtype=dtype: parameters(shapes, dtype))
            times = alternate(steps, rounds=asked.rounds, warm_up=1 if asked.one_set else 8)
            label = f"{kind}, {pattern}"
            seconds[label] = {name: asdict(summarize(own)) for name, own in times.items()}
            theirs = [name for name in TORCHS if name in times]
            best = min(theirs, key=lambda name: seconds[label][name]["median"])
            table = make_table(label, "ms a step", "of torch's best")
            for name in times:
                median = seconds[label][name]["median"]
                share = median / seconds[label][best]["median"]
                table.add_row(name, f"{1e3 * median:.2f}", f"{share:.2f}")
            report.console.print(table)
            found[f"{label}: AdamW / torch's best"] = ratio(times["AdamW"], times[best])
    results = {"tensors": len(shapes), "millions": asked.millions, "seconds": seconds}
    report.close(results, TARGETS, found)


if __name__ == "__main__":
    main()
