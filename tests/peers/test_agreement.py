"""Our optimizers are those of other packages, or another one that the table says."""

from __future__ import annotations

import warnings

import pytest
import torch

from tests.peers.late import first_step_after, steps_by_itself
from tests.peers.row import Row, farthest, path
from tests.peers.rows import ROWS

pytest.importorskip("pytorch_optimizer", reason="the group peers is not installed: make peers")

AGREEING = [row for row in ROWS if not row.differs]
DIFFERING = [row for row in ROWS if row.differs]


def both(row: Row) -> tuple[list[list[torch.Tensor]], list[list[torch.Tensor]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        theirs = path(row.make_theirs, row.shapes)
    return path(row.make_ours, row.shapes), theirs


@pytest.mark.parametrize("row", AGREEING, ids=str)
def test_ours_goes_where_theirs_goes(row):
    ours, theirs = both(row)
    assert farthest(ours[0], ours[-1]) > 1e-3, "nothing moved"
    assert max(map(farthest, ours, theirs)) < row.tolerance


@pytest.mark.parametrize("row", DIFFERING, ids=str)
def test_theirs_is_another_from_the_step_that_the_table_says(row):
    apart = list(map(farthest, *both(row)))
    assert max(apart[: row.from_step]) < row.tolerance
    assert apart[row.from_step] > 1e-6


@pytest.mark.parametrize(
    "row", {row.name: row for row in ROWS if steps_by_itself(row)}.values(), ids=str
)
def test_a_late_first_gradient_gets_the_first_step(row):
    at_once = first_step_after(0, row.make_ours, row.shapes)
    late = first_step_after(5, row.make_ours, row.shapes)
    assert at_once.abs().max() > 0
    assert torch.equal(late, at_once)
