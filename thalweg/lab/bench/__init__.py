"""How long a step takes, on this machine: timing in turns, torch's forms of a step, and the floor.

`thalweg bench` and the scripts in benchmarks/ are made of it.
"""

__all__: list[str] = []
