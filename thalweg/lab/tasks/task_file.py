"""The user's own task: a function in a file that returns model, loss, loaders and maybe a metric.

    def task(seed):
        ...
        return model, loss, (train, validation, test), metric

`seed` may be left out; random numbers are seeded before each call either way. The model is a
Module of torch or of mytorch; a batch of a loader is a tuple whose last part is the target; `loss`
and `metric` are functions of (output, target). A higher metric is better, unless the function has
`lower_is_better = True`. Without a metric the loss judges.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import framework_of, seed_all
from thalweg.lab.loading import load
from thalweg.lab.tasks.task import Material, Task

__all__ = ["FORM", "open_task_file"]

FORM = "return model, loss, (train, validation, test) and, if there is one, a metric"


def open_task_file(text: str, seed: int = 0) -> Task:
    """The task of `FILE.py:function`, tried once; raises UserError, with the right form in it."""
    function = load(text, f"--model {text}")
    if not callable(function):
        raise UserError(f"--model {text}: it must be a function that has the form: {FORM}")
    material = _material(text, function, seed)
    metric = material.metric
    return Task(
        name=text,
        description=f"{text}: {_sizes(material)}",
        framework=framework_of(material.model) or "",
        start=partial(_start, text),
        metric=None if metric is None else str(getattr(metric, "__name__", "metric")),
        is_higher_better=not getattr(metric, "lower_is_better", metric is None),
        target=None,
        fingerprint=_fingerprint(text.rpartition(":")[0]),
    )


def _fingerprint(place: str) -> str:
    """What tells a file from another state of it."""
    if not place.endswith(".py"):
        return place
    return hashlib.sha256(Path(place).read_bytes()).hexdigest()[:16]


def _start(text: str, seed: int) -> Material:
    """By its text, so that another process can do it too."""
    return _material(text, load(text, f"--model {text}"), seed)


def _material(text: str, function: Callable[..., Any], seed: int) -> Material:
    seed_all(seed)
    try:
        made = function(seed) if _takes_seed(function) else function()
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        raise UserError(f"--model {text}: it fails: {type(error).__name__}: {error}") from error
    return _checked(text, made)


def _takes_seed(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(one.name == "seed" or one.default is inspect.Parameter.empty for one in parameters)


def _checked(text: str, made: Any) -> Material:
    def refused(what: str) -> UserError:
        return UserError(f"--model {text}: {what}; it must {FORM}")

    if not isinstance(made, tuple | list) or len(made) not in (3, 4):
        count = f"{len(made)} things" if isinstance(made, tuple | list) else type(made).__name__
        raise refused(f"it returned {count}")
    model, loss, loaders, metric = (*made, None)[:4]
    if framework_of(model) is None:
        raise refused(f"model must be a Module of torch or mytorch, got {type(model).__name__}")
    if not callable(loss):
        raise refused(f"loss must be a function of (output, target), got {type(loss).__name__}")
    if metric is not None and not callable(metric):
        raise refused(f"metric must be a function of (output, target), got {type(metric).__name__}")
    if isinstance(loaders, Mapping):
        loaders = tuple(loaders.get(name) for name in ("train", "validation", "test"))
    if not isinstance(loaders, tuple | list) or len(loaders) not in (2, 3):
        raise refused(f"the loaders must be two or three, got {type(loaders).__name__}")
    train, validation, test = (*loaders, None)[:3]
    for name, loader in (("train", train), ("validation", validation), ("test", test)):
        needed = name != "test" or loader is not None
        if needed and (not isinstance(loader, Iterable) or iter(loader) is loader):
            raise refused(
                f"the {name} loader must give its batches anew each time, got "
                f"{type(loader).__name__}"
            )
    return Material(model, loss, train, validation, test, metric)


def _sizes(material: Material) -> str:
    weights = sum(math.prod(parameter.shape) for parameter in material.model.parameters())
    return f"{weights:,} weights in {framework_of(material.model)}"
