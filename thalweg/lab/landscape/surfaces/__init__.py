"""The surfaces, one per file, by the names that the command line knows."""

from thalweg.lab.landscape.surface import Surface
from thalweg.lab.landscape.surfaces import (
    ackley,
    beale,
    booth,
    camel,
    cliff,
    himmelblau,
    monkey_saddle,
    rastrigin,
    rosenbrock,
    saddle,
    styblinski_tang,
    valley,
)

__all__ = ["SURFACES"]

_FILES = (
    *(rosenbrock, beale, himmelblau, booth, camel, styblinski_tang, rastrigin, ackley, valley),
    *(saddle, monkey_saddle, cliff),
)

SURFACES: dict[str, Surface] = {file.SURFACE.name: file.SURFACE for file in _FILES}
