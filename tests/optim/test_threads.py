"""Threads: as many as torch may use, and any number of callers at once."""

import copy
import os
import pickle
import signal
import threading

import pytest
import torch
from torch.nn import Linear, Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    APART,
    EVERY,
    assert_close,
    assert_same,
    assert_same_state,
    numbers,
    ours,
    values,
    walk,
    weights,
)
from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import ClipNorm

# enough for a kernel to be shared out: work below 2**18 elements per thread is not
LARGE = (1200, 900)

Clipped = optim.optimizer(chain("Clipped", ClipNorm, SGD, lr=0.1, max_norm=0.5))


@pytest.fixture
def threads():
    """Sets torch's thread count, and puts it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def large(seed) -> Parameter:
    p = Parameter(numbers(LARGE, seed, torch.float32))
    p.grad = numbers(LARGE, seed + 1, torch.float32)
    return p


def make(name, params):
    return Clipped(params) if name == "Clipped" else ours(name, params)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Ranger", "Clipped"])
def test_the_number_of_threads_changes_no_bit(name, threads):
    results = []
    for count in (1, 2):
        threads(count)
        p = large(1)
        before = p.detach().clone()
        opt = make(name, [p])
        for _ in range(3):
            opt.step()
        assert (p != before).float().mean() > 0.99
        results.append(p)
    assert_same(results[:1], results[1:])


def test_a_step_leaves_torchs_thread_count_alone(threads):
    threads(2)
    p = large(1)
    ours("Adam", [p]).step()
    assert torch.get_num_threads() == 2


def together(*tasks) -> None:
    """Run tasks in threads of their own at the same time; raise what they raise."""
    barrier, errors = threading.Barrier(len(tasks)), []

    def run(task):
        try:
            barrier.wait()
            task()
        except BaseException as error:
            errors.append(error)

    started = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("shape", [(50, 40), LARGE], ids=["small", "large"])
def test_optimizers_stepped_in_two_threads_are_as_one_after_the_other(shape, threads):
    threads(2)
    steps = 100 if shape != LARGE else 10
    grads = [numbers(shape, 10 + i, torch.float32) for i in range(2)]

    def made():
        params = [Parameter(numbers(shape, i, torch.float32)) for i in range(2)]
        return params, [ours("Ranger", params[:1]), ours("AdamW", params[1:])]

    def train(opt, p, grad):
        for t in range(steps):
            p.grad = grad * (t % 3 - 1)
            opt.step()

    serial, one_by_one = made()
    for opt, p, grad in zip(one_by_one, serial, grads, strict=True):
        train(opt, p, grad)
    params, opts = made()
    together(
        *(lambda o=o, p=p, g=g: train(o, p, g) for o, p, g in zip(opts, params, grads, strict=True))
    )
    assert_same(params, serial)


@pytest.mark.parametrize("name", ["AdamW", "Ranger", "Clipped", "Adafactor", "Muon"])
def test_one_optimizer_stepped_by_two_threads_takes_one_step_after_the_other(name, threads):
    threads(2)
    shape, counts = (50, 40), (100, 101)

    def made():
        p = Parameter(numbers(shape, 1, torch.float32))
        p.grad = numbers(shape, 2, torch.float32)
        opt = Clipped([p]) if name == "Clipped" else getattr(optim, name)([p])
        calls = []
        opt.register_step_pre_hook(lambda *_: calls.append("before"))
        opt.register_step_post_hook(lambda *_: calls.append("after"))
        return p, opt, calls

    p, opt, calls = made()
    together(*(lambda n=n: [opt.step() for _ in range(n)] for n in counts))
    q, other, wanted = made()
    for _ in range(sum(counts)):
        other.step()
    assert_same([p], [q])
    assert_same_state(opt, other)
    assert sorted(calls) == sorted(wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # threads are the point here
def test_a_child_can_step_what_another_thread_was_stepping():
    opt = ours("AdamW", weights())
    walk(opt)
    held, release = threading.Event(), threading.Event()

    def hold():
        with opt._turn.lock:
            held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    child = os.fork()
    if not child:
        try:
            signal.alarm(20)
            walk(opt, 1, start=1)
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    release.set()
    holder.join()
    assert status == 0


@pytest.mark.parametrize(
    "made", [copy.deepcopy, copy.copy, lambda o: pickle.loads(pickle.dumps(o))]
)
def test_copies_and_what_comes_from_files_take_turns_of_their_own(made):
    opt = ours("AdamW", weights())
    walk(opt)
    twin = made(opt)
    assert twin._turn is not opt._turn
    walk(twin, 1, start=1)


@pytest.mark.parametrize("name", EVERY)
def test_two_optimizers_of_one_class_in_two_threads_do_not_meet(name, threads):
    """They share kernels, and nothing that a step writes."""
    threads(2)
    pairs = [weights(dtype=torch.float32) for _ in range(2)]
    serial = [weights(dtype=torch.float32) for _ in range(2)]
    for which, params in enumerate(serial):
        walk(ours(name, params), 30, start=100 * which)
    opts = [ours(name, params) for params in pairs]
    together(*(lambda o=o, i=i: walk(o, 30, start=100 * i) for i, o in enumerate(opts)))
    for have, want in zip(pairs, serial, strict=True):
        assert_same(have, want)


@pytest.mark.parametrize("name", APART)
def test_one_optimizer_per_parameter_stepped_inside_backward(name):
    """As GaLore's layer-wise training does, on autograd's threads and without a grad afterwards."""
    layered, plain = (Linear(4, 3, dtype=torch.float64) for _ in range(2))
    layered.load_state_dict(plain.state_dict())
    opts = {p: ours(name, [p]) for p in layered.parameters()}

    def step_and_forget(p):
        opts[p].step()
        opts[p].zero_grad()

    for p in layered.parameters():
        p.register_post_accumulate_grad_hook(step_and_forget)
    whole = ours(name, plain.parameters())
    x = numbers((5, 4), 1)
    for _ in range(6):
        layered(x).square().sum().backward()
        whole.zero_grad()
        plain(x).square().sum().backward()
        whole.step()
    assert all(p.grad is None for p in layered.parameters())
    assert_close(layered.parameters(), plain.parameters())


def test_a_step_while_another_thread_runs_backward(threads):
    threads(2)
    p, q = large(1), Parameter(numbers((300, 300), 5, torch.float32))
    opt, want = ours("Adam", [p]), large(1)
    other = ours("Adam", [want])

    def backward():
        for _ in range(20):
            q.grad = None
            (q @ q).sum().backward()

    together(lambda: [opt.step() for _ in range(10)], backward)
    for _ in range(10):
        other.step()
    assert_same(values([p]), values([want]))
