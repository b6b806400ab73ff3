"""A text of made-up words, of which some follow others more often."""

from __future__ import annotations

import random

__all__ = ["words"]

_SYLLABLES = ("ba", "do", "ki", "lu", "me", "no", "ra", "si", "ta", "vo")


def words(count: int) -> list[str]:
    """The same text for everybody."""
    chance = random.Random(0)
    known = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 3))) for _ in range(120)]
    after = {word: chance.sample(known, 6) for word in known}
    found = [known[0]]
    while len(found) < count:
        likely = chance.random() < 0.9
        found.append(chance.choice(after[found[-1]] if likely else known))
    return found
