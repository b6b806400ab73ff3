"""Which states exist is remembered by the settings that decide it, and by no others."""

import contextlib

import pytest

from thalweg import rules
from thalweg.deciding import decisive
from thalweg.living import Living
from thalweg.optimizers import OPTIMIZERS

OTHER = {bool: (True, False), float: (0.0, 0.3), int: (0, 1, 7)}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_states_that_are_remembered_are_those_that_are_found_anew(name):
    chain = OPTIMIZERS[name]
    for setting, one in chain.settings.items():
        for value in (one.default, *OTHER.get(type(one.default), ())):
            with contextlib.suppress(ValueError):  # such a setting nobody can have
                views = chain.views({setting: value})
            found = Living(chain.parts, chain.slots)
            assert chain.live_slots(views) == found.under(views), (setting, value)


def test_a_rate_decides_no_states_and_a_momentum_does():
    names = decisive(rules.SGD.text)
    assert "momentum" in names
    assert "lr" not in names


def test_a_schedule_leaves_nothing_to_be_found_anew():
    chain = OPTIMIZERS["AdamW"]
    known = {id(chain.live_slots(chain.views({"lr": 0.1 / t}))) for t in range(1, 9)}
    assert len(known) == 1
