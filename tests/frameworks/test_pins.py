"""What the group frameworks brings has its versions written down."""

import re

import pytest

pytest.importorskip("lightning", reason="lightning is not installed")

from tests.house.pins import pinned
from tests.house.test_packaging import closure, read


def test_every_pin_of_the_frameworks_is_needed_and_whatever_they_need_has_one():
    group = re.search(r"^frameworks = \[(.*?)^\]", read("pyproject.toml"), re.S | re.M)[1]
    asked = re.findall(r'"([\w.-]+)>=', group)
    assert {"lightning", "transformers"} <= {*asked}
    ours, theirs = pinned(), pinned("group frameworks")
    alone = {"deepspeed", "fastai", "timm"}  # installed without what they ask for
    assert closure(asked) - ours - alone == theirs - alone
    assert alone <= theirs
