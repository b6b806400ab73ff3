"""What a prepared step works out is what every step does, to the last bit."""

import pytest

from thalweg.chain import chain
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, setting
from thalweg.settling import settler

SHAPES = [(4, 3), (5,), ()]


def both(declared, view, shape, steps, cells):
    """What each way gives, step by step."""
    settled, held = settler(declared)(view, shape), list(cells)
    for t in range(2, steps):  # the states were made before
        plain = declared.decide(view, t, False, shape, held)
        yield plain, settled(t, held)
        held = [h if new is None else new for h, new in zip(held, plain[2], strict=True)]


@pytest.mark.parametrize("name", [*OPTIMIZERS])
def test_of_every_rule(name):
    made = OPTIMIZERS[name]
    views = made.views(made.defaults)
    first = made.first_cells(views)
    for part, view, keys in zip(made.parts, views, made._wirings[0].cells, strict=True):
        if view is None or part.declared.text.requests:
            continue
        for shape in SHAPES:
            cells = [first[key] for key in keys]
            for plain, settled in both(part.declared, view, shape, 12, cells):
                assert settled == plain


def test_of_a_name_that_has_another_value_later():
    class Renamed(Rule):
        a: float = setting(2.0)

        @staticmethod
        def update(g, t, a):
            scale = a
            first = scale * t
            scale = a + 1
            second = scale * a
            if second > 100:
                scale = t
            u = (first + second + scale) * g
            return u

    made = chain("Renamed", Renamed)
    (view,) = made.views(made.defaults)
    for t, (plain, settled) in enumerate(both(Renamed, view, (), 5, ()), 2):
        assert settled == plain
        assert plain[1] == (2.0 * t + 6.0 + 3.0,)
