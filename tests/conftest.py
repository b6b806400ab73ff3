"""What every test runs under: a kernel cache of this run's own, one thread, no clock."""

import importlib.util
import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

HAS_TORCH = importlib.util.find_spec("torch") is not None
WITHOUT_TORCH = "needs torch, which is not installed"

# Kernels are compiled once for all workers, and not found from a run before.
CACHE = "THALWEG_CACHE_DIR"

# Workers share the cores: a second thread in each would wait for the first of another. NumPy's
# BLAS reads this when it is loaded; torch is told below. A test of threads sets its own number.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long an example takes depends on who else is busy.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    if not is_worker(config) and CACHE not in os.environ:
        os.environ[CACHE] = tempfile.mkdtemp(prefix="thalweg-tests-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(CACHE), ignore_errors=True))


def pytest_report_header() -> str | None:
    return None if HAS_TORCH else "torch is not installed: files that import it are skipped"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """Without torch, skip a file that imports it, as a whole and with a sentence."""
    report = yield
    if report.failed and not HAS_TORCH and wants_torch(report.call.excinfo.value):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, WITHOUT_TORCH)
    return report


def wants_torch(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, is that torch cannot be imported."""
    if error is None:
        return False
    return getattr(error, "name", None) == "torch" or wants_torch(error.__cause__)


def pytest_collection_finish() -> None:
    settings.load_profile("no clock")  # torch's own tests, which some files import, load another


@pytest.fixture(scope="session", autouse=HAS_TORCH)
def one_thread_of_torch():
    import torch

    torch.set_num_threads(1)
