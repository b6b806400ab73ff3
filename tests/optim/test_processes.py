"""Fresh processes: forks, exits, and first steps in several threads at once."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow

PREPARE = """
import os, threading, torch
import thalweg.optim as optim
torch.set_num_threads(2)
def made(n=1_000_000):
    p = torch.nn.Parameter(torch.linspace(-1, 1, n))
    p.grad = torch.linspace(1, 2, n)
    return p, optim.Adam([p], lr=0.1)
def truth(steps, n=1_000_000):
    p = torch.nn.Parameter(torch.linspace(-1, 1, n))
    p.grad = torch.linspace(1, 2, n)
    opt = torch.optim.Adam([p], lr=0.1)
    for _ in range(steps):
        opt.step()
    return p
def right(p, steps):
    return torch.allclose(p, truth(steps, p.numel()), rtol=1e-5, atol=1e-6)
"""


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PREPARE + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_can_step(tmp_path):
    """Before any step, and after the parent has used its threads, which the child does not have."""
    done = run(
        """
        import signal, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, from 3.12 on
        p, opt = made()
        for before in (0, 1):
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # a child that hangs is a child that fails
                torch.set_num_threads(1)  # torch's own threads are gone as well
                copy = p.detach().clone()
                torch.get_num_threads = lambda: 2
                opt.step()
                fine = not torch.equal(copy, p)
                torch.save(p.detach(), os.environ["RESULT"])
                os._exit(0 if fine else 1)
            _, status = os.waitpid(child, 0)
            assert status == 0, (before, status)
            stepped = torch.load(os.environ["RESULT"])
            assert right(stepped, before + 1), f"the child stepped wrong: {before}"
            assert right(p, before), "the child wrote into the parent"
            opt.step()
            assert right(p, before + 1), f"the parent cannot go on: {before}"
        print("fine")
        """,
        RESULT=str(tmp_path / "child.pt"),
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_children_train_what_is_in_shared_memory():
    """Hogwild: three processes, one after the other, on the parent's parameters and states."""
    done = run(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, from 3.12 on
        p = torch.nn.Parameter(torch.linspace(-1, 1, 1000))
        q = torch.nn.Parameter(p.detach().clone())
        for each in (p, q):
            each.grad = torch.linspace(1, 2, 1000)
        p.share_memory_()
        opt, plain = optim.Adagrad([p], lr=0.1), torch.optim.Adagrad([q], lr=0.1)
        opt.share_memory()
        assert all(state.is_shared() for state in opt.state[p].values())
        for _ in range(3):
            child = os.fork()
            if child == 0:
                opt.step()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            plain.step()
        assert float(opt.state[p]["step"]) == 3.0
        assert torch.allclose(opt.state[p]["sum"], plain.state[q]["sum"])
        assert torch.allclose(p, q), "the parent does not see what its children did"
        print("fine")
        """
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.parametrize("when", ["atexit", "thread"])
def test_a_step_while_the_interpreter_shuts_down(when):
    last = "atexit.register(step)" if when == "atexit" else "threading.Thread(target=late).start()"
    done = run(f"""
        import atexit
        p, opt = made()
        def step():
            opt.step()
            print("fine" if right(p, 1) else "wrong", flush=True)
        def late():
            threading.main_thread().join()
            step()
        {last}
        """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_first_steps_in_several_threads_at_once(tmp_path):
    """All of them compile, from an empty cache."""
    done = run(
        """
        pairs = [made(1000) for _ in range(4)]
        barrier = threading.Barrier(4)
        def step(opt):
            barrier.wait()
            for _ in range(3):
                opt.step()
        threads = [threading.Thread(target=step, args=(opt,)) for _, opt in pairs]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(*(right(p, 3) for p, _ in pairs))
        """,
        THALWEG_CACHE_DIR=str(tmp_path),
    )
    assert (done.returncode, done.stdout) == (0, "True True True True\n"), done.stderr


def test_freed_memory_is_an_error_and_not_a_crash_where_torch_would_read_it():
    """Of a parameter with gaps, which takes the plain run, and of a gradient laid out otherwise."""
    done = run("""
        def whole(): return torch.ones(4, 4)
        def gaps(): return torch.ones(4, 8)[:, ::2]
        def turned(): return torch.ones(4, 4).t()
        cases = [(gaps, whole, whose) for whose in ("gradient", "parameter", "state")]
        for start, grad, whose in [*cases, (whole, turned, "gradient")]:
            p = torch.nn.Parameter(start())
            opt = optim.Adam([p], lr=0.1)
            p.grad = grad()
            opt.step()
            freed = {"gradient": p.grad, "parameter": p, "state": opt.state[p]["exp_avg"]}[whose]
            freed.untyped_storage().resize_(0)
            try:
                opt.step()
            except RuntimeError as error:
                print("freed" in str(error))
        """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n" * 4, "")
