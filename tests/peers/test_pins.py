"""What the group peers brings has its versions written down."""

import re

import pytest

from tests.house.pins import pinned
from tests.house.test_packaging import closure, read

pytest.importorskip("pytorch_optimizer", reason="the group peers is not installed: make peers")


def test_every_pin_of_the_peers_is_needed_and_whatever_they_need_has_one():
    group = re.search(r"^peers = \[(.*?)^\]", read("pyproject.toml"), re.S | re.M)[1]
    asked = re.findall(r'"([\w.-]+)>=', group)
    assert {"pytorch_optimizer", "timm"} <= {*asked}
    assert closure(asked) - pinned() - pinned("extra jax") == pinned("group peers")
