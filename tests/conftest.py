"""What every test runs under: kernels of its own, one thread, no clock; how many cases it has."""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import shutil
import tempfile
from collections.abc import Collection, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HAS_TORCH = importlib.util.find_spec("torch") is not None
MISSING = [name for name in ("torch", "jax", "triton") if importlib.util.find_spec(name) is None]

CACHE = "THALWEG_CACHE_DIR"

# Workers share the cores: a second thread in each would wait for the first of another. NumPy's
# BLAS reads this when it is loaded; torch is told below. A test of threads sets its own number.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long an example takes depends on who else is busy, so no example has a deadline. A run of all
# cases has many examples and one of some cases fewer, other ones each time: an example may want
# kernels of its own. A quick run has few, always the same.
NO_CLOCK = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("whole", max_examples=40, **NO_CLOCK)
settings.register_profile("drawn", max_examples=12, **NO_CLOCK)
settings.register_profile("quick", max_examples=8, derandomize=True, database=None, **NO_CLOCK)


ALL = "all"


def pytest_addoption(parser: pytest.Parser) -> None:
    sentence = "run up to N cases of each test, drawn with the run's seed, or all (the default)"
    parser.addoption("--cases", type=number_of_cases, default=ALL, metavar="N", help=sentence)


def number_of_cases(said: str) -> int | str:
    if said == ALL:
        return ALL
    if not said.isdecimal() or int(said) == 0:
        raise argparse.ArgumentTypeError(f"a number from 1 on or {ALL!r} expected, got {said!r}")
    return int(said)


def is_quick(config: pytest.Config) -> bool:
    return "not slow" in config.option.markexpr


def load_profile(config: pytest.Config) -> None:
    drawn = "whole" if config.option.cases == ALL else "drawn"
    settings.load_profile("quick" if is_quick(config) else drawn)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker has this from the one who started it
        if CACHE not in os.environ:
            os.environ[CACHE] = str(kernels(config))
        if names_some(config):
            config.option.cases = ALL
    load_profile(config)


def names_some(config: pytest.Config) -> bool:
    """Whether the command line says which tests: whoever asks for some wants all their cases."""
    words = config.option.keyword or config.getoption("lf", False)
    return bool(words) or config.args_source is config.ArgsSource.ARGS


def kernels(config: pytest.Config) -> Path:
    """Where this run and its workers keep kernels: not among the user's, and for the next run.

    A kernel's name holds all that it is made of, so that an old one is never taken for a new one.
    """
    if config.pluginmanager.hasplugin("cacheprovider"):
        folder = config.cache.mkdir("kernels")
        folder.chmod(0o700)  # whatever the umask: a cache that others may write is not used
        return folder
    folder = Path(tempfile.mkdtemp(prefix="thalweg-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


def pytest_report_header(config: pytest.Config) -> list[str]:
    lines = []
    if config.option.cases != ALL:
        lines.append(f"up to {config.option.cases} cases of each test, drawn with the seed")
    lines += [f"{name} is not installed: files that import it are skipped" for name in MISSING]
    return lines


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skip a file that imports what is not installed, as a whole and with a sentence."""
    report = yield
    load_profile(collector.config)  # torch's own tests, which some files import, load another
    wanted = missing_for(report.call.excinfo.value, MISSING) if report.failed else None
    if wanted is not None:
        sentence = f"Skipped: needs {wanted}, which is not installed"
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, sentence)
    return report


def missing_for(error: BaseException | None, packages: Collection[str]) -> str | None:
    """Which of these an error, or one behind it, says that it cannot import."""
    if error is None:
        return None
    name = getattr(error, "name", None)
    return name if name in packages else missing_for(error.__cause__, packages)


@pytest.hookimpl(trylast=True)  # after `-m` and after the order is drawn
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if named := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"an id must be the same in every process, got {named}")
    if config.option.cases != ALL:
        some = few(items, config.option.cases, seed(config))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in some])
        items[:] = [item for item in items if item.nodeid in some]
    # The long ones first, or at the end one worker has one and the others nothing.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def seed(config: pytest.Config) -> int:
    """What the cases are drawn with, the same in every worker; a quick run has always the same."""
    return 0 if is_quick(config) else getattr(config.option, "randomly_seed", 0)


def few(items: list[pytest.Item], count: int, seed: int) -> set[str]:
    """Up to `count` cases of each test: one from each of so many parts of its list.

    A test over every optimizer and every type has hundreds. Their order in the list is that of
    their ids, so that the parts are different optimizers, and what is drawn from each is left to
    the seed: each test meets some of them, and together they meet all.
    """
    found: set[str] = set()
    for test, group in groupby(sorted(item.nodeid for item in items), key=without_case):
        ids = list(group)
        draw = random.Random(f"{seed} {test}")
        ends = [len(ids) * i // count for i in range(count + 1)]
        found |= {draw.choice(ids[a:b]) for a, b in pairwise(ends) if a < b}
    return found


def without_case(nodeid: str) -> str:
    return nodeid.partition("[")[0]


@pytest.fixture(scope="session", autouse=HAS_TORCH)
def one_thread_of_torch() -> None:
    import torch

    torch.set_num_threads(1)
