"""A step of mytorch happens whole or not at all and one at a time."""

import copy
import pickle
import threading

import numpy as np
import pytest

from tests.mytorch.steps import assert_same, make, numbers, params_of, values, walk, weights
from tests.optim.interrupts import is_interrupted
from thalweg.averaging import EMA, SWA
from thalweg.chain import chain
from thalweg.mytorch import nn, optim
from thalweg.rules import SGD
from thalweg.stages import ClipNorm

Clipped = optim.optimizer(chain("Clipped", ClipNorm, SGD, lr=0.1, momentum=0.9, max_norm=0.5))

CASES = {
    "AdamW": lambda: make("AdamW", weights([(3,), (2, 2)])),
    "Ranger": lambda: make("Ranger", weights([(3,)]), k=2),
    "a global norm": lambda: Clipped(weights([(3,), (2, 2)])),
    "a mean": lambda: make("SGD", weights([(3,)]), average=SWA(1, 2)),
}


def held(opt):
    states = [opt.state.get(p, {}) for p in params_of(opt)]
    return values(params_of(opt)), copy.deepcopy(states)


def is_same(one, other):
    arrays = all(map(np.array_equal, one[0], other[0]))
    keys = [list(state) for state in one[1]] == [list(state) for state in other[1]]
    return (
        arrays
        and keys
        and all(
            np.array_equal(a[key], b[key])
            for a, b in zip(one[1], other[1], strict=True)
            for key in a
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_step_interrupted_at_any_line_is_whole_or_not_begun(case):
    opt, other = CASES[case](), CASES[case]()
    walk(opt)
    walk(other)
    line, seen = 1, {True: 0, False: 0}
    while True:
        before = held(other)
        walk(other, 1, start=line)
        for i, p in enumerate(params_of(opt)):
            p.grad = numbers(p.shape, 1000 * (line + 1) + i, p.dtype)
        if not is_interrupted(opt.step, line):
            break
        now, after = held(opt), held(other)
        begun = is_same(now, after)
        assert begun or is_same(now, before)
        seen[begun] += 1
        if not begun:
            opt.step()
        assert is_same(held(opt), after)
        line += 1
    assert all(seen.values())


def test_the_first_step_that_is_interrupted_leaves_no_state():
    (p,) = params = weights([(3,)])
    opt = make("AdamW", params)
    p.grad = np.ones(3)
    assert is_interrupted(opt.step, 100)
    assert not opt.state


@pytest.mark.parametrize(
    "made", [copy.deepcopy, copy.copy, lambda o: pickle.loads(pickle.dumps(o))]
)
def test_copies_and_what_comes_from_files_can_be_stepped_by_themselves(made):
    opt = make("AdamW", weights([(3,)]))
    walk(opt)
    twin = made(opt)
    assert twin._turn is not opt._turn
    walk(twin, 1, start=1)


def test_an_optimizer_stepped_by_two_threads_counts_every_step():
    params = weights([(3,)])
    opt = make("AdamW", params)
    params[0].grad = np.ones(3)
    both = [threading.Thread(target=lambda n=n: [opt.step() for _ in range(n)]) for n in (100, 101)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    alone = weights([(3,)])
    other = make("AdamW", alone)
    alone[0].grad = np.ones(3)
    for _ in range(201):
        other.step()
    assert opt.state[params[0]]["step"] == 201
    assert_same(values(params), values(alone))


def test_counts_are_right_beyond_what_single_precision_can_say():
    params = weights([(3,)])
    opt = make("Ranger", params, k=2)
    walk(opt)
    opt.state[params[0]]["step"] = 2.0**24
    walk(opt, 3, start=1)
    assert opt.state[params[0]]["step"] == 2**24 + 3
    assert opt.state_dict()["state"][0]["step"] == 2**24 + 3


@pytest.mark.parametrize("average", [EMA(0.9), SWA(2, 3)], ids=["ema", "swa"])
def test_an_average_moves_at_each_step_whether_or_not_there_is_a_gradient(average):
    params = p, q = [nn.Parameter(np.ones(2)) for _ in range(2)]
    opt = make("SGD", params, lr=0.1, momentum=0.0, nesterov=False, average=average)
    path = []
    for t in range(12):
        p.grad = np.ones(2)
        q.grad = np.ones(2) if t < 3 else None
        opt.step()
        path.append(q.data[0])
    want = path[0]
    if average.kind == "ema":
        for value in path[1:]:
            want += 0.1 * (value - want)
    else:
        want = np.mean(path[1::3])
    np.testing.assert_allclose(opt.state[q]["average"], want, rtol=1e-12)
    assert opt.state[q].get("n_missed", 9) == 9
