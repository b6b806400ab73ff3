"""Long lives: whatever happens to parameters, gradients, states and groups on the way, the numbers
stay torch's."""

import copy
import random

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import CHANGED, OURS, TWINS, assert_close, numbers, reloaded

SHAPES = [(4, 3), (5,), (), (2, 3, 2, 2), (0, 3), (1, 4), (3, 1), (2, 2, 3)]


def laid_out(value, chance: random.Random):
    """The same numbers, in one of the ways a tensor can lie in memory."""
    if not value.dim():
        return value
    way = chance.choice(["as it is", "turned", "with gaps", "in a bucket"])
    if way == "turned":
        order = list(range(value.dim()))
        chance.shuffle(order)
        back = [order.index(i) for i in range(value.dim())]
        return value.permute(order).contiguous().permute(back)
    if way == "with gaps":
        return torch.stack([value, value + 1], -1)[..., 0]
    if way == "in a bucket":
        bucket = torch.zeros(value.numel() + 3, dtype=value.dtype)
        return bucket[1 : 1 + value.numel()].view(value.shape).copy_(value)
    return value


class Life:
    """One of ours and torch's class of the same name, with the same history."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.chance = name, random.Random(f"{name} {seed}")
        self.mine: list[Parameter] = []
        self.plain: list[Parameter] = []
        self.classes = getattr(optim, name), getattr(torch.optim, name, getattr(optim, name))
        first = self._new_parameters(), self._new_parameters()
        self.ours, self.theirs = (
            cls([{"params": one[which]} for one in first], **OURS[name])
            for which, cls in enumerate(self.classes)
        )
        self.t = 0

    def _new_parameters(self) -> tuple[list[Parameter], list[Parameter]]:
        mine, plain = [], []
        for _ in range(self.chance.randint(1, 4)):
            value = numbers(self.chance.choice(SHAPES), self.chance.randrange(1000))
            mine.append(Parameter(laid_out(value.clone(), self.chance)))
            plain.append(Parameter(value.clone()))
        self.mine += mine
        self.plain += plain
        return mine, plain

    def step(self) -> None:
        self.t += 1
        every = self.chance.random() < 0.5
        for i, (p, q) in enumerate(zip(self.mine, self.plain, strict=True)):
            p.grad = q.grad = None
            if every or self.chance.random() < 0.6:
                q.grad = numbers(q.shape, 100 * self.t + i)
                p.grad = laid_out(q.grad.clone(), self.chance)
        self.ours.step()
        self.theirs.step()

    def change_a_setting(self) -> None:
        number = self.chance.randrange(len(self.ours.param_groups))
        change = self.chance.choice(
            [
                {"lr": self.chance.choice([0.0, 0.003, 0.05])},
                {"weight_decay": self.chance.choice([0.0, 0.1])},
                {"maximize": self.chance.random() < 0.5},
                CHANGED[self.name],
                OURS[self.name],
            ]
        )
        for opt in (self.ours, self.theirs):
            opt.param_groups[number].update(change)

    def add_a_group(self) -> None:
        mine, plain = self._new_parameters()
        self.ours.add_param_group({"params": mine, "lr": 0.02})
        self.theirs.add_param_group({"params": plain, "lr": 0.02})

    def move_parameters(self) -> None:
        for p in self.mine:
            if self.chance.random() < 0.5:
                p.data = laid_out(p.data.clone(), self.chance)

    def move_states(self) -> None:
        for p, state in self.ours.state.items():
            for key, value in state.items():
                if value.shape == p.shape and self.chance.random() < 0.5:
                    state[key] = laid_out(value.clone(), self.chance)

    def load(self) -> None:
        """Into a new optimizer, and half of the time by way of torch's class."""
        groups = [{"params": group["params"]} for group in self.ours.param_groups]
        saved = reloaded(self.ours.state_dict())
        if self.chance.random() < 0.5:
            between = self.classes[1]([dict(group) for group in groups], **OURS[self.name])
            between.load_state_dict(saved)
            saved = reloaded(between.state_dict())
        self.ours = self.classes[0](groups, **OURS[self.name])
        self.ours.load_state_dict(saved)

    def copy(self) -> None:
        self.ours = copy.deepcopy(self.ours)
        self.mine = [p for group in self.ours.param_groups for p in group["params"]]

    def fail(self) -> None:
        """At a gradient that cannot be read, which torch does not get to see."""
        live = [p for p in self.mine if p.numel() and p.is_contiguous()]
        if live:
            for p in self.mine:
                p.grad = torch.zeros_like(p)
            self.chance.choice(live).grad.untyped_storage().resize_(0)
            with pytest.raises(RuntimeError, match="freed"):
                self.ours.step()


EVENTS = [
    Life.change_a_setting,
    Life.add_a_group,
    Life.move_parameters,
    Life.move_states,
    Life.load,
    Life.copy,
    Life.fail,
]


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", TWINS)
def test_a_life_goes_as_under_torch(name, seed):
    life = Life(name, seed)
    for _ in range(25):
        if life.chance.random() < 0.4:
            life.chance.choice(EVENTS)(life)
        else:
            life.step()
    assert_close(life.mine, life.plain)


@pytest.mark.parametrize("seed", range(12))
def test_a_life_of_ranger_goes_as_one_without_events_of_memory(seed):
    """Here the other side is Ranger on plain memory, which only takes the steps and settings."""
    life = Life("Ranger", seed)
    for _ in range(25):
        if life.chance.random() < 0.4:
            life.chance.choice(EVENTS)(life)
        else:
            life.step()
    assert_close(life.mine, life.plain)
