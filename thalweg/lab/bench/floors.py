"""The least a step can cost: what moving its arrays through memory takes, and nothing else.

It is measured by torch's flat `p += g`, which shares no code with what is judged by it: per access
of an element that takes a third of its time.
"""

__all__ = ["EVERY", "FLOAT32", "FLOORS"]

EVERY = 6  # Ranger's k: how often the slow copy is touched
FLOAT32 = 4  # bytes

# Loads and stores per element and step, on average: every array is loaded, if not said otherwise,
# and every one but the gradient is stored.
FLOORS = {
    "p g": 3.0,
    "p g, m stored": 4.0,
    "p g m": 5.0,
    "p g m v": 7.0,
    "p g m v vmax": 9.0,
    "p g m v, slow at times": 7 + 2 / EVERY,
    "p g m v, twice": 11.0,  # read once more before, for what must be summed
}
