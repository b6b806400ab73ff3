"""Parts in any order are a chain, or get a sentence that names it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from thalweg import rules, stages
from thalweg.chain import chain, named
from thalweg.either import either
from thalweg.rule import Rule, Stage

PARTS = [getattr(rules, name) for name in rules.RULES]
PARTS += [getattr(stages, name) for name in stages.__all__]
PARTS = [one for one in PARTS if isinstance(one, type) and issubclass(one, Rule | Stage)]
SENTENCE = re.compile(r"(Drawn: |[A-Za-z]+\.update, line \d+ of \w+\.py: |either takes).{15}")


@st.composite
def part(draw):
    one = draw(st.sampled_from(PARTS))
    way = draw(st.integers(0, 5))
    if way == 0:
        return either(*draw(st.lists(st.sampled_from(PARTS), min_size=2, max_size=3)))
    own = [*one.declaration.settings, *one.declaration.states]
    if way == 1 and own:
        return named(one, **{name: f"own_{name}" for name in own})
    return one


@given(st.lists(part(), max_size=5))
def test_it_is_a_chain_or_gets_a_sentence(parts):
    try:
        made = chain("Drawn", *parts)
    except TypeError as refusal:
        assert SENTENCE.match(str(refusal)), refusal  # noqa: PT017
        return
    assert made.name == "Drawn"
    made.check(made.defaults)
