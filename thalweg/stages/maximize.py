"""Maximize: uphill instead of downhill."""

from thalweg.rule import Stage


class Maximize(Stage):
    """Ascend: the gradient with its sign changed, before anything else sees it.

        g <- -g    with maximize

    Paper: none.
    Differs: no.
    """

    maximize: bool = False

    @staticmethod
    def rests(h):
        return True

    @staticmethod
    def update(g, maximize):
        if maximize:
            g = -g
        return g
