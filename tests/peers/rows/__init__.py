"""The table: every optimizer that another package has too, a row for each set of flags."""

from tests.peers.rows import elements, matrices, sums

__all__ = ["ROWS"]

ROWS = [*elements.ROWS, *sums.ROWS, *matrices.ROWS]
