"""Steps of several legs are prepared calls too: sums of rows and columns, lines on matrices, kept
numbers that are measured. They are the long way's, bit for bit, whatever happens in between."""

import random

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import numbers, prepared, reloaded

RULES = {
    "Adafactor": {"weight_decay": 0.01},
    "CAME": {},
    "AdamMini": {},
    "NovoGrad": {"weight_decay": 0.01},
    "Prodigy": {"lr": 0.5},
    "Muon": {},
    "NorMuon": {},
    "SOAP": {"precondition_frequency": 3},
    "Shampoo": {"precondition_frequency": 3},
    "GaLore": {"rank": 2, "update_proj_gap": 4},
    "APOLLO": {"rank": 2, "update_proj_gap": 4},
}
MATRICES = [(4, 3), (4, 3), (3, 5), (6, 2)]
VECTORS = [(5,), (3,)]
ALONE = {"Muon", "NorMuon"}  # these take matrices and nothing else


class Twice:
    """The same parameters under two optimizers of one rule: one of them prepares no step."""

    def __init__(self, name: str, dtype: torch.dtype = torch.float32) -> None:
        self.name, self.t, self.rests = name, 0, set[int]()
        shapes = MATRICES if name in ALONE else MATRICES + VECTORS
        self.sides = [
            [Parameter(numbers(shape, i, dtype)) for i, shape in enumerate(shapes)]
            for _ in range(2)
        ]
        self.opts = [self.made(params) for params in self.sides]
        self.never()

    def made(self, params: list[Parameter]) -> torch.optim.Optimizer:
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.02}]
        if self.name == "Prodigy":  # which has one rate
            groups = [{"params": params}]
        return getattr(optim, self.name)(groups, **RULES[self.name])

    def never(self) -> None:
        self.opts[1]._prepared.prepare = lambda make: None

    def step(self) -> None:
        self.t += 1
        for params, opt in zip(self.sides, self.opts, strict=True):
            for i, p in enumerate(params):
                p.grad = None if i in self.rests else numbers(p.shape, 100 * self.t + i, p.dtype)
            opt.step()
        self.rests = set()
        for p, q in zip(*self.sides, strict=True):
            assert torch.equal(p, q)

    def calm_down(self) -> None:
        """From here on gradients lie as their parameters do."""
        for p in [p for params in self.sides for p in params]:
            p.data = p.data.contiguous()

    # what may happen between two steps

    def rest(self, chance: random.Random) -> None:
        self.rests = {chance.randrange(len(self.sides[0]))}

    def schedule(self, chance: random.Random) -> None:
        lr = chance.choice([0.0, 0.001, 0.03])
        for opt in self.opts:
            for group in opt.param_groups:
                group["lr"] = lr

    def replace_states(self, chance: random.Random) -> None:
        i = chance.randrange(len(self.sides[0]))
        for params, opt in zip(self.sides, self.opts, strict=True):
            held = opt.state[params[i]]
            held.update({key: 1.5 * value for key, value in held.items() if value.dim()})

    def edit_states(self, chance: random.Random) -> None:
        i = chance.randrange(len(self.sides[0]))
        for params, opt in zip(self.sides, self.opts, strict=True):
            for value in opt.state[params[i]].values():
                if value.dim():
                    value.mul_(1.25)

    def swap_memory_of_states(self, chance: random.Random) -> None:
        for params, opt in zip(self.sides, self.opts, strict=True):
            for value in opt.state[params[0]].values():
                if value.dim():
                    value.data = value.data * 1.5

    def move(self, chance: random.Random) -> None:
        i = chance.randrange(len(MATRICES))
        for params in self.sides:
            params[i].data = params[i].data.mT.contiguous().mT

    def reload(self, chance: random.Random) -> None:
        for i, (params, opt) in enumerate(zip(self.sides, self.opts, strict=True)):
            new = self.made(params)
            new.load_state_dict(reloaded(opt.state_dict()))
            self.opts[i] = new
        self.never()


EVENTS = [
    Twice.rest,
    Twice.schedule,
    Twice.replace_states,
    Twice.edit_states,
    Twice.swap_memory_of_states,
    Twice.move,
    Twice.reload,
]


@pytest.mark.parametrize("name", RULES)
def test_a_prepared_step_is_the_long_way_bit_for_bit(name):
    both, chance = Twice(name), random.Random(name)
    for _ in range(5):
        both.step()
    assert prepared(both.opts[0]) > 0
    for _ in range(30):
        if chance.random() < 0.5:
            chance.choice(EVENTS)(both, chance)
        both.step()
    both.calm_down()
    before = prepared(both.opts[0])
    for _ in range(36):  # however often it was disappointed
        both.step()
    assert prepared(both.opts[0]) > before
    assert prepared(both.opts[1]) == 0


@pytest.mark.parametrize("name", ["Adafactor", "CAME"])
def test_narrow_parameters_are_prepared_as_well(name):
    both = Twice(name, torch.bfloat16)
    for _ in range(6):
        both.step()
    assert prepared(both.opts[0]) > 0


def test_one_optimizer_with_two_rules_is_prepared():
    sides = []
    for never in (False, True):
        params = [Parameter(numbers(shape, i)) for i, shape in enumerate([(4, 3), (5,), (3, 3)])]
        opt = optim.Muon(params, others=optim.AdamW, others_lr=0.01)
        if never:
            opt._prepared.prepare = lambda make: None
        for t in range(8):
            for i, p in enumerate(params):
                p.grad = numbers(p.shape, 10 * t + i)
            opt.step()
        assert (prepared(opt) == 0) is never
        sides.append(params)
    assert all(map(torch.equal, *sides))


def test_a_root_that_is_not_found_leaves_all_as_it_was():
    both = Twice("Shampoo")
    for _ in range(5):
        both.step()
    opt, params = both.opts[0], both.sides[0]
    assert prepared(opt) > 0
    opt.state[params[0]]["left"].fill_(float("inf"))
    kept: list[torch.Tensor] = []

    def until_a_root_is_new() -> None:
        for _ in range(3):
            kept[:] = [v.clone() for p in params for v in (p.detach(), *opt.state[p].values())]
            opt.step()

    with pytest.raises(ArithmeticError, match="Shampoo: `"):
        until_a_root_is_new()
    found = [v for p in params for v in (p.detach(), *opt.state[p].values())]
    assert all(torch.equal(a, b) for a, b in zip(kept, found, strict=True))
