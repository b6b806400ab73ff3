"""What every test runs under: kernels of its own, one thread, no clock; how many cases it has."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HAS_TORCH = importlib.util.find_spec("torch") is not None

CACHE = "THALWEG_CACHE_DIR"

# Workers share the cores: a second thread in each would wait for the first of another. NumPy's
# BLAS reads this when it is loaded; torch is told below. A test of threads sets its own number.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How many cases of one test a quick run takes. A test over every optimizer and every type has two
# hundred, and each costs a compilation.
CASES = 4

# How long an example takes depends on who else is busy, so no example has a deadline. The whole
# suite draws other examples each time; a quick run has few, always the same.
NO_CLOCK = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("whole", max_examples=40, **NO_CLOCK)
settings.register_profile("quick", max_examples=8, derandomize=True, database=None, **NO_CLOCK)


def is_quick(config: pytest.Config) -> bool:
    return "not slow" in config.option.markexpr


def load_profile(config: pytest.Config) -> None:
    settings.load_profile("quick" if is_quick(config) else "whole")


def pytest_configure(config: pytest.Config) -> None:
    load_profile(config)
    is_worker = hasattr(config, "workerinput")
    if not is_worker and CACHE not in os.environ:
        os.environ[CACHE] = str(kernels(config))


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


def pytest_report_header() -> str | None:
    return None if HAS_TORCH else "torch is not installed: files that import it are skipped"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Without torch, skip a file that imports it, as a whole and with a sentence."""
    report = yield
    load_profile(collector.config)  # torch's own tests, which some files import, load another
    if report.failed and not HAS_TORCH and wants_torch(report.call.excinfo.value):
        sentence = "Skipped: needs torch, which is not installed"
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, sentence)
    return report


def wants_torch(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, is that torch cannot be imported."""
    if error is None:
        return False
    return getattr(error, "name", None) == "torch" or wants_torch(error.__cause__)


@pytest.hookimpl(tryfirst=True)  # before `-m` and before the order is drawn
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if named := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"an id must be the same in every process, got {named}")
    if is_quick(config):
        some = few(items)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in some])
        items[:] = [item for item in items if item.nodeid in some]


def few(items: list[pytest.Item]) -> set[str]:
    """Up to `CASES` of each test, spread over its list.

    Each test begins at a place of its own, so that together they meet every optimizer and type.
    """
    found: set[str] = set()
    for test, group in groupby(sorted(item.nodeid for item in items), key=without_case):
        ids = list(group)
        first = zlib.crc32(test.encode())
        count = min(CASES, len(ids))
        found |= {ids[(first + i * len(ids) // count) % len(ids)] for i in range(count)}
    return found


def without_case(nodeid: str) -> str:
    return nodeid.partition("[")[0]


@pytest.fixture(scope="session", autouse=HAS_TORCH)
def one_thread_of_torch() -> None:
    import torch

    torch.set_num_threads(1)
