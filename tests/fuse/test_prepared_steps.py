"""A step that should have been prepared and was not is told of, and taken all the same."""

import pytest

from thalweg.border.again import PreparedSteps


class Step:
    """A prepared step that fits, or fails when it is asked whether it does."""

    def __init__(self, fails=False):
        self.fails, self.moves = fails, 0

    def fits(self, opt):
        if self.fails:
            raise KeyError("a kernel that is broken")
        return True

    def move(self):
        self.moves += 1

    def let_go(self):
        pass


def begun(step):
    """After a first step and a second, which has been prepared."""
    steps = PreparedSteps()
    for _ in range(2):
        assert not steps.take(None)
        steps.prepare(lambda: step)
    return steps


def test_it_is_taken_as_often_as_it_fits():
    step = Step()
    steps = begun(step)
    assert steps.take(None)
    assert steps.take(None)
    assert (step.moves, steps.taken) == (2, 2)


def test_what_cannot_be_made_is_told():
    def make():
        raise KeyError("a kernel that is broken")

    steps = PreparedSteps()
    steps.prepare(make)  # the first step is not prepared
    with pytest.warns(RuntimeWarning, match="KeyError: 'a kernel that is broken'"):
        steps.prepare(make)
    assert not steps.take(None)


def test_what_fails_where_the_long_way_does_not_is_told():
    steps = begun(Step(fails=True))
    assert not steps.take(None)
    with pytest.warns(RuntimeWarning, match="an error in thalweg"):
        steps.prepare(Step)


def test_what_the_long_way_refuses_as_well_is_not():
    steps = begun(Step(fails=True))
    assert not steps.take(None)  # and then the long way raises
    assert not steps.take(None)
    steps.prepare(Step)
