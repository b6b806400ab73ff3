"""On NumPy, too, a step that is like the last one is a prepared call, and notices what changes."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.mytorch import optim
from thalweg.mytorch.nn import Parameter

SHAPES = [(4, 3), (5,), (), (2, 3, 2)]
SETTINGS = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"lr": 0.01},
    "Ranger": {"lr": 0.01, "k": 3},
    "ASGD": {"lr": 0.01, "t0": 3.0},
    "LAMB": {"lr": 0.01},
}


class History:
    """Parameters under an optimizer, and their like under one that never prepares a step."""

    def __init__(self, name: str) -> None:
        self.t, self.rests = 0, set[int]()
        numbers = np.random.default_rng(0)
        values = [numbers.normal(size=shape) for shape in SHAPES]
        self.sides = []
        for never in (False, True):
            params = [Parameter(value.copy()) for value in values]
            groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.02}]
            opt = getattr(optim, name)(groups, **SETTINGS[name])
            if never:
                opt._prepared.prepare = lambda make: None
            self.sides.append((opt, params))
        self.mine = self.sides[0][0]

    def step(self) -> None:
        self.t += 1
        numbers = np.random.default_rng(self.t)
        grads = [numbers.normal(size=shape) for shape in SHAPES]
        for opt, params in self.sides:
            for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
                p.grad = None if i in self.rests else np.array(grad)
            opt.step()
        for p, q in zip(*(params for _, params in self.sides), strict=True):
            np.testing.assert_array_equal(p.data, q.data)

    def each_state(self, k: int):
        for opt, params in self.sides:
            yield opt.state[params[k % len(SHAPES)]]

    # what may happen between two steps; `k` chooses

    def rest(self, k: int) -> None:
        self.rests = {i for i in range(len(SHAPES)) if k >> i & 1}

    def schedule(self, k: int) -> None:
        for opt, _ in self.sides:
            opt.param_groups[k % 2]["lr"] = [0.0, 0.01, 0.05][k % 3]

    def turn_around(self, k: int) -> None:
        for opt, _ in self.sides:
            opt.param_groups[k % 2]["maximize"] = bool(k // 2 % 2)

    def write_a_parameter(self, k: int) -> None:
        for _, params in self.sides:
            params[k % len(SHAPES)].data = np.full(SHAPES[k % len(SHAPES)], 0.5)

    def replace_a_state(self, k: int) -> None:
        held = self.mine.state[self.sides[0][1][k % len(SHAPES)]]
        for key, value in held.items():
            if isinstance(value, np.ndarray):
                held[key] = value.copy()

    def reshape_a_gradient(self, k: int) -> None:
        """It lies otherwise, and the step brings it into order."""
        self.step()
        p = self.sides[0][1][0]
        grads = np.asfortranarray(np.full(SHAPES[0], 0.25))
        for (opt, params), grad in zip(self.sides, (grads, grads.copy("C")), strict=True):
            for q in params:
                q.grad = None
            params[0].grad = grad
            opt.step()
        np.testing.assert_array_equal(p.data, self.sides[1][1][0].data)

    def count_again(self, k: int) -> None:
        for held in self.each_state(k):
            if "step" in held:
                held["step"] = float(3 + k % 5)

    def load(self, k: int) -> None:
        self.mine.load_state_dict(copy.deepcopy(self.mine.state_dict()))

    def add_a_group(self, k: int) -> None:
        for opt, params in self.sides:
            if len(params) == len(SHAPES):
                opt.add_param_group({"params": [Parameter(np.ones(3))]})


EVENTS = [
    value for name, value in vars(History).items() if not name.startswith(("_", "step", "each"))
]
events = st.tuples(st.sampled_from(EVENTS), st.integers(0, 15))


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
@given(happening=st.lists(st.lists(events, max_size=2), min_size=3, max_size=12))
def test_whatever_happens_between_two_steps_the_numbers_stay_right(name, happening):
    history = History(name)
    for _ in range(3):
        history.step()
    assert history.mine._prepared.taken > 0
    for of_one in happening:
        for event, k in of_one:
            event(history, k)
        history.step()
    history.rests, before = set(), history.mine._prepared.taken
    for _ in range(40):  # however often it was disappointed
        history.step()
    assert before < history.mine._prepared.taken < history.t


def test_a_gradient_of_another_type_or_shape_is_refused_as_ever():
    p = Parameter(np.ones((2, 3)))
    opt = optim.Adam([p], lr=0.1)
    for _ in range(4):
        p.grad = np.ones((2, 3))
        opt.step()
    assert opt._prepared.taken == 2
    before = p.data.copy()
    for wrong in (np.ones((3, 2)), np.ones((2, 3), int), [[1.0] * 3] * 2):
        p.grad = wrong
        with pytest.raises(ValueError, match="gradient must be"):
            opt.step()
    np.testing.assert_array_equal(p.data, before)
