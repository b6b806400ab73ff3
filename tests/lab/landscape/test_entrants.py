"""Who takes part, as the command line writes it."""

import pytest

from tests.plain import PLAIN
from thalweg.lab.errors import UserError
from thalweg.lab.landscape.entrants import CLASSIC, entrant, entrants
from thalweg.optimizers import OPTIMIZERS


def test_without_names_there_are_the_classic_ones():
    found = entrants([])
    assert [one.label for one in found] == list(CLASSIC)
    assert found[1].chain is OPTIMIZERS["SGD"]
    assert found[1].settings == {"momentum": 0.9}


def test_a_label_has_the_settings_but_for_lr():
    found = entrant("ranger(k=3, lr=0.2)")
    assert (found.label, found.lr, dict(found.settings)) == ("Ranger(k=3)", 0.2, {"k": 3})


def test_momentum_takes_settings_too():
    assert entrant("momentum(nesterov=true)").settings == {"momentum": 0.9, "nesterov": True}
    assert entrant("Momentum(momentum=0.5)").label == "momentum(momentum=0.5)"


def test_a_rate_is_for_all_or_for_one():
    both = entrants(["adam", "sgd(lr=0.5)"], ["0.1"])
    assert [one.lr for one in both] == [0.1, 0.5]
    one = entrants(["adam", "momentum"], ["momentum=0.02"])
    assert [each.lr for each in one] == [None, 0.02]


def test_the_same_one_twice_is_one():
    assert [one.label for one in entrants(["adam", "Adam", "adam(eps=0.1)"])] == [
        "Adam",
        "Adam(eps=0.1)",
    ]


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "SparseAdam"])
def test_every_optimizer_may_take_part(name):
    assert entrant(name.lower()).chain is OPTIMIZERS[name]


def test_own_ones_that_are_named_alike_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rule = (
        "from thalweg.rule import Rule\n\n\nclass {0}(Rule):\n    lr: float = 0.1\n\n"
        "    @staticmethod\n    def update(g, lr):\n        u = lr * g\n        return u\n"
    )
    (tmp_path / "a.py").write_text(rule.format("Mine") + rule.format("Adam"))
    (tmp_path / "b.py").write_text(rule.format("Mine"))
    found = entrants(["adam", "a.py:Adam", "a.py:Mine", "b.py:Mine"])
    assert [one.label for one in found] == ["Adam", "a.py:Adam", "Mine", "b.py:Mine"]


def test_a_chain_of_the_user_s_own_is_taken(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from thalweg.chain import chain\nfrom thalweg.rules import Lion\n"
        "from thalweg.stages import Cautious\nmine = chain('Careful', Lion, Cautious)\n"
    )
    assert entrant(f"{path}:mine").label == "Careful"
    with pytest.raises(UserError, match=r"Careful: unknown name 'betta'; did you mean 'betas'?"):
        entrant(f"{path}:mine(betta=1)")
