"""What the group peers brings has its versions written down."""

import re

import pytest
from packaging.utils import canonicalize_name

from tests.house.test_packaging import closure, parts_of_constraints, read

pytest.importorskip("pytorch_optimizer", reason="the group peers is not installed: make peers")


def test_every_pin_of_the_peers_is_needed_and_whatever_they_need_has_one():
    ours, of_jax, of_peers = (
        {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", part, re.M)}
        for part in parts_of_constraints()
    )
    asked = re.search(r"\npeers = \[(.*?)\n\]", read("pyproject.toml"), re.S)[1]
    needed = closure(re.findall(r'"([\w.-]+)>=', asked))
    assert needed - ours - of_jax == of_peers
