"""Helpers are called when there is enough to do, and never more than were asked for.

A kernel is given one address. On the pool any callable will do, and tells who called it; on
torch's team only a C function will.
"""

import ctypes
import os
import threading

import numpy as np
import pytest
import torch

import thalweg.optim  # what asks for torch's team
from thalweg.fuse import threads
from thalweg.fuse.threads import ELEMENTS_PER_THREAD as SHARE
from thalweg.optim import team


@pytest.fixture
def pool():
    """No team, as where no framework has brought one."""
    threads.use_team(None)
    yield
    team.join()


def callers(elements, limit, expected):
    """Who calls a kernel; with two or more expected, nobody returns before all are there."""
    met = threading.Barrier(expected)
    names = []

    def kernel(argument):
        assert argument == 17
        names.append(threading.get_ident())
        met.wait(timeout=60)

    threads.run(kernel, 17, elements, limit)
    return names


@pytest.mark.usefixtures("pool")
def test_a_helper_works_beside_the_caller():
    names = callers(2 * SHARE, limit=2, expected=2)
    assert len(set(names)) == 2
    assert threading.get_ident() in names


@pytest.mark.parametrize(
    ("elements", "limit"), [(0, 8), (1, 8), (2 * SHARE - 1, 8), (100 * SHARE, 1)]
)
@pytest.mark.usefixtures("pool")
def test_little_work_or_one_thread_is_done_by_the_caller(elements, limit):
    assert callers(elements, limit, expected=1) == [threading.get_ident()]


@pytest.mark.usefixtures("pool")
def test_a_helper_that_cannot_start_is_not_waited_for():
    """All helpers are busy; the caller does the work alone, and returns."""
    release = threading.Event()
    pool = threads._executor()
    busy = [pool.submit(release.wait, 60) for _ in range(os.cpu_count() or 1)]
    try:
        names = []
        threads.run(lambda _: names.append(threading.get_ident()), 0, 100 * SHARE, 2)
        assert names == [threading.get_ident()]
    finally:
        release.set()
        for future in busy:
            future.result()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("1", 1), ("1,4", 1), ("0", None), ("999999", None), ("", None), ("x", None)],
)
def test_the_environment_may_ask_for_fewer_threads(asked, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads.available() == (expected or cores)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # threads are the point here
@pytest.mark.usefixtures("pool")
def test_a_forked_child_makes_its_own_helpers():
    callers(2 * SHARE, limit=2, expected=2)
    child = os.fork()
    if not child:
        try:
            callers(2 * SHARE, limit=2, expected=2)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(threads._team is None, reason="torch has brought no GNU OpenMP here")
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_team_calls_a_kernel_once_on_each_of_its_threads(limit):
    seen = []
    enter = ctypes.CFUNCTYPE(None, ctypes.c_int64)
    kernel = enter(lambda argument: seen.append((argument, threading.get_ident())))
    threads.run(kernel, 17, 100 * SHARE, limit)
    assert [argument for argument, _ in seen] == [17] * limit
    assert len({thread for _, thread in seen}) == limit


@pytest.mark.usefixtures("pool")
def test_pool_and_team_move_a_parameter_alike():
    def moved():
        torch.manual_seed(0)
        p = torch.nn.Parameter(torch.randn(4 * SHARE))
        opt = thalweg.optim.AdamW([p])
        for _ in range(2):
            p.grad = torch.randn_like(p)
            opt.step()
        return p.detach().numpy()

    by_pool = moved()
    team.join()
    np.testing.assert_array_equal(by_pool, moved())
