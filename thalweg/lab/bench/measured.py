"""What a step of some optimizers takes, on shapes or on a model, beside torch's and the floor."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from thalweg.chain import Chain
from thalweg.lab.bench.accesses import counted
from thalweg.lab.bench.alternate import Estimate, Summary, summarize
from thalweg.lab.bench.machine import environment
from thalweg.lab.bench.neighbours import Neighbours
from thalweg.lab.bench.shapes import SHAPES
from thalweg.lab.bench.timing import SECONDS, Times, bandwidth, best_form, ratios, timed
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import load_backend
from thalweg.lab.specification import Specification
from thalweg.lab.tasks.task import Task
from thalweg.optimizers import OPTIMIZERS

__all__ = ["Bench", "Measured", "Subject", "bench", "of_shapes", "of_task"]

_KINDS = {name: f"thalweg.lab.bench.on_{name}" for name in ("mytorch", "torch")}


@dataclass(frozen=True)
class Subject:
    """What is stepped: gradients of a framework, and a backward pass where there is a model."""

    name: str
    framework: str
    gradients: Sequence[Any]
    backward: Callable[[], object] | None = None

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(one.shape) for one in self.gradients]

    @property
    def elements(self) -> int:
        return sum(map(math.prod, self.shapes))


@dataclass(frozen=True)
class Measured:
    """The times of one optimizer in seconds: `ours`, those of torch's forms that there are, and the
    `floor`, which is None where nobody knows what it reads and writes."""

    name: str
    seconds: Mapping[str, Summary]
    torch_best: str | None
    ratios: Mapping[str, Estimate]
    accesses: float | None


@dataclass(frozen=True)
class Bench:
    """A whole run, with the machine that its times belong to."""

    subject: str
    framework: str
    tensors: int
    elements: int
    optimizers: Sequence[Measured]
    backward: Summary | None
    gb_per_s: float
    remark: str
    environment: Mapping[str, Any]


def of_shapes(name: str, framework: str) -> Subject:
    """One of the sets of shapes that the benchmarks have, with random gradients."""
    if name not in SHAPES:
        raise UserError(f"--shapes must be {', '.join(SHAPES)}, got {name!r}")
    load_backend(framework)
    return Subject(name, framework, _on(framework).gradients_for(SHAPES[name]))


def of_task(task: Task, seed: int = 0) -> Subject:
    """The parameters of a task's model, with the gradients of its first batch."""
    backend, material = load_backend(task.framework), task.start(seed)
    batch = next(iter(material.train), None)
    if batch is None:
        raise UserError(f"{task.name}: the train loader gives no batch")
    material.model.train()

    def backward() -> None:
        backend.backward(material, batch)

    try:
        backward()
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{task.name} fails in its backward pass: {text}") from error
    gradients = [p.grad for p in material.model.parameters() if p.grad is not None]
    # of their own: the next backward pass makes new ones, or fills these
    kept = [g.clone() if hasattr(g, "clone") else g.copy() for g in gradients]
    return Subject(task.name, task.framework, kept, backward)


def _on(framework: str) -> Any:
    place = _KINDS[framework] + (".parameters" if framework == "torch" else "")
    return import_module(place)


def bench(
    wanted: Sequence[Specification],
    subject: Subject,
    *,
    rounds: int = 30,
    seconds: float = SECONDS,
    threads: int | None = None,
    progress: Callable[[int, str], None] = lambda done, doing: None,
) -> Bench:
    """Time a step of each optimizer in turns with torch's forms of it and with the floor.

    The floor is what one flat `p += g` takes for as many reads and writes as the passes of the rule
    have. Raises UserError for an optimizer that cannot step these parameters.
    """
    backend, on = load_backend(subject.framework), _on(subject.framework)
    threads = threads or len(os.sched_getaffinity(0))
    backend.use_threads(threads)
    neighbours, stream = Neighbours(), on.Stream(subject.elements)
    found, speeds, backward = [], [], None
    for i, one in enumerate(wanted):
        progress(i, one.label)
        made = backend.optimizer_class(one.name)
        settings = _with_rate(made, one.settings)
        makes: dict[str, Callable[..., Any]] = {
            "ours": partial(made, **settings),
            **_rivals(on, one),
        }
        try:
            accesses, cycle = _cost(one, made, subject)
            calls: dict[str, Callable[[], object]] = {
                name: make(on.parameters_with(subject.gradients)).step
                for name, make in makes.items()
            }
            if subject.backward is not None:
                calls["backward"] = subject.backward
            times = timed(calls, stream, accesses, rounds=rounds, cycle=cycle, seconds=seconds)
        except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
            said = " ".join(str(error).split())
            raise UserError(f"{one.label} cannot step these parameters: {said}") from error
        backward = summarize(times["backward"]) if "backward" in times else None
        speeds.append(bandwidth(times, subject.elements))
        found.append(_measured(one.label, times, accesses))
    progress(len(wanted), "")
    return Bench(
        subject=subject.name,
        framework=subject.framework,
        tensors=len(subject.gradients),
        elements=subject.elements,
        optimizers=found,
        backward=backward,
        gb_per_s=sorted(speeds)[len(speeds) // 2],
        remark=neighbours.remark(),
        environment=environment(threads, neighbours),
    )


def _with_rate(made: Callable[..., Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings with a rate, where the optimizer must be given one."""
    try:
        lr = inspect.signature(made).parameters.get("lr")
    except (TypeError, ValueError):
        return settings
    needs = lr is not None and lr.default is inspect.Parameter.empty
    return {"lr": 1e-3, **settings} if needs else settings


def _rivals(on: Any, one: Specification) -> Mapping[str, Callable[..., Any]]:
    """torch's forms of what is ours under the same name."""
    found: Mapping[str, Callable[..., Any]]
    found = on.rivals(one.name, one.settings) if one.is_own else {}
    return found


def _cost(one: Specification, made: Any, subject: Subject) -> tuple[float | None, int]:
    """Loads and stores per element and step, where the optimizer is made of a rule, and its
    cycle."""
    chain = OPTIMIZERS[one.name] if one.is_own else getattr(made, "chain", None)
    if not isinstance(chain, Chain):
        return None, 1
    return counted(chain, one.settings, subject.shapes)


def _measured(label: str, times: Times, accesses: float | None) -> Measured:
    seconds = {name: summarize(values) for name, values in times.items() if name != "stream"}
    return Measured(label, seconds, best_form(times), ratios(times), accesses)
