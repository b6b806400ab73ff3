"""`optimizer(rule)`: classes out of a user's own rules and chains."""

import inspect
import pydoc

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import assert_close, assert_same, numbers, walk, weights
from thalweg.chain import chain
from thalweg.elementwise import sign
from thalweg.optim import optimizer
from thalweg.rule import Rule, setting, state
from thalweg.rules import SGD, Adam, RAdam
from thalweg.stages import Centralize, ClipNorm, ClipValue, DecoupledDecay, Lookahead


class Lion(Rule):
    """Lion, in short.

        p <- p - lr sign(b1 m + (1 - b1) g)
        m <- b2 m + (1 - b2) g

    Paper: Chen et al. 2023, arXiv:2302.06675, Algorithm 2.
    Differs: no.
    """

    lr: float = setting(1e-4, low=0)
    betas: tuple[float, float] = setting((0.9, 0.99), low=0, below=1)
    m = state("exp_avg")

    @staticmethod
    def update(g, m, lr, betas):
        b1, b2 = betas
        u = lr * sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g
        return u, m


MyLion = optimizer(Lion)
Mine = optimizer(chain("Mine", Centralize, DecoupledDecay, Adam, Lookahead, lr=3e-3))
FLAGS = ["maximize", "foreach", "capturable", "differentiable", "fused"]
FLAGS += ["state_dtype", "decay_filter", "average"]


def names(cls) -> list[str]:
    return list(inspect.signature(cls).parameters)


def test_a_rule_alone_makes_a_class():
    assert names(MyLion) == ["params", "lr", "betas", *FLAGS]
    assert MyLion.__name__ == "Lion"
    assert MyLion.__module__ == __name__


def test_a_rule_alone_steps_as_its_lines_say():
    p = Parameter(numbers((3, 4), 1))
    opt = MyLion([p], lr=0.01)
    want, m = p.detach().clone(), torch.zeros_like(p)
    for t in range(5):
        p.grad = g = numbers((3, 4), 10 + t)
        want -= 0.01 * torch.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
        opt.step()
    assert_close([p, opt.state[p]["exp_avg"]], [want, m])
    assert list(opt.state[p]) == ["exp_avg"]


def test_a_chain_shows_all_its_settings_the_rules_first():
    own = ["lr", "betas", "eps", "amsgrad", "use", "conv_only", "normalize"]
    own += ["weight_decay", "decoupled_weight_decay", "alpha", "k"]
    assert names(Mine) == ["params", *own, *FLAGS]


def test_a_chains_defaults_are_its_own():
    parameters = inspect.signature(Mine).parameters
    assert parameters["lr"].default == 3e-3
    assert parameters["decoupled_weight_decay"].default is True
    (group,) = Mine(weights()).param_groups
    assert (group["lr"], group["k"], group["decoupled_weight_decay"]) == (3e-3, 6, True)


def test_help_shows_the_signature_and_the_docstring():
    page = pydoc.plain(pydoc.render_doc(MyLion))
    number = "float | torch.Tensor"
    shown = (
        f"lr: {number} = 0.0001, betas: tuple[{number}, {number}] = (0.9, 0.99), *, maximize: bool"
    )
    assert shown in page
    assert "arXiv:2302.06675" in page


def test_every_call_makes_one_new_class():
    made = chain("Same", SGD)
    one, other = optimizer(made), optimizer(made)
    assert one is not other
    assert not issubclass(one, other)
    assert issubclass(one, optim.FusedOptimizer)


@pytest.mark.parametrize("make", [MyLion, Mine])
def test_maximize_is_there_and_turns_the_gradient_round(make):
    up, down = weights(), weights()
    uphill, downhill = make(up, maximize=True), make(down)
    for t in range(4):
        for i, (p, q) in enumerate(zip(up, down, strict=True)):
            q.grad = numbers(p.shape, 10 * t + i)
            p.grad = -q.grad
        uphill.step()
        downhill.step()
    assert_same(up, down)


def test_maximize_may_be_a_setting_of_a_group():
    p, q = (Parameter(torch.zeros(2)) for _ in range(2))
    opt = MyLion([{"params": [p]}, {"params": [q], "maximize": True}], lr=0.5)
    for r in (p, q):
        r.grad = torch.ones(2)
    opt.step()
    assert (p.tolist(), q.tolist()) == ([-0.5, -0.5], [0.5, 0.5])


def test_settings_of_a_users_rule_are_checked():
    with pytest.raises(ValueError, match=r"^Lion: betas\[1\] must be >= 0 and < 1, got 1\.5"):
        MyLion(weights(), betas=(0.9, 1.5))


def test_a_chain_is_as_its_parts_one_after_the_other():
    """Clipping and centralizing by torch and by hand, then torch's own SGD."""
    Composed = optimizer(
        chain("Composed", ClipValue, Centralize, SGD, lr=0.1, clip_value=0.5, momentum=0.9)
    )
    mine, theirs = weights([(3, 4), (4,)]), weights([(3, 4), (4,)])
    opt, other = Composed(mine), torch.optim.SGD(theirs, lr=0.1, momentum=0.9)
    for t in range(5):
        for i, (p, q) in enumerate(zip(mine, theirs, strict=True)):
            p.grad = numbers(p.shape, 10 * t + i)
            g = p.grad.clamp(-0.5, 0.5)
            q.grad = g - g.mean(1, keepdim=True) if g.dim() > 1 else g
        opt.step()
        other.step()
    assert_close(mine, theirs)


def test_clipping_reaches_over_all_groups():
    Clipped = optimizer(chain("Clipped", ClipNorm, SGD, lr=0.1, max_norm=0.5))
    mine, theirs = weights(), weights()
    opt = Clipped([{"params": mine[:2]}, {"params": mine[2:], "lr": 0.2}])
    other = torch.optim.SGD([{"params": theirs[:2]}, {"params": theirs[2:], "lr": 0.2}], lr=0.1)
    for t in range(4):
        for i, (p, q) in enumerate(zip(mine, theirs, strict=True)):
            p.grad, q.grad = numbers(p.shape, 10 * t + i), numbers(p.shape, 10 * t + i)
        torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        opt.step()
        other.step()
    assert_close(mine, theirs)


def test_ranger_is_a_chain_and_nothing_else():
    """Made again from its parts, it moves the same."""
    Again = optimizer(
        chain("Again", Centralize, DecoupledDecay, RAdam, Lookahead, betas=(0.95, 0.999), eps=1e-5)
    )
    one, other = weights(), weights()
    walk(optim.Ranger(one, weight_decay=0.1), 14)
    walk(Again(other, weight_decay=0.1), 14)
    assert_same(one, other)


def test_a_subclass_may_add_to_the_constructor():
    class Warm(optim.AdamW):
        def __init__(self, params, factor=2.0, **settings):
            super().__init__(params, lr=factor * 1e-3, **settings)

    params, plain = weights(), weights()
    walk(Warm(params, weight_decay=0.1), 3)
    walk(optim.AdamW(plain, lr=2e-3, weight_decay=0.1), 3)
    assert_same(params, plain)


def test_a_subclass_may_step_in_its_own_way():
    class Counting(optim.SGD):
        def step(self, closure=None):
            self.param_groups[0]["calls"] = self.param_groups[0].get("calls", 0) + 1
            return super().step(closure)

    params, plain = weights(), weights()
    opt = Counting(params, lr=0.1)
    walk(opt, 3)
    walk(optim.SGD(plain, lr=0.1), 3)
    assert_same(params, plain)
    assert opt.param_groups[0]["calls"] == 3
