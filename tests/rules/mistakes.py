"""Declarations written to a file, so that an error can say in which line."""

from textwrap import dedent

import pytest

# the line that is at fault ends with this
HERE = "  # <-"
STEP = "\nu = lr * m"
BETAS = "betas: tuple[float, float] = (0.9, 0.99)"
MODE = 'mode: str = setting("fast", choices=("fast", "slow"))'
WITH_BETAS = dict(takes="g, m, lr, betas", above=BETAS)
WITH_MODE = dict(takes="g, m, lr, mode", above=MODE)
USE_WHERE = "use where(condition, a, b)"

HEADER = """\
import math
import numpy as np
from thalweg.chain import chain
from thalweg.elementwise import lerp, maximum, sqrt, where
from thalweg.matrices import eigenbasis, identity, inverse_root, newton_schulz, qr
from thalweg.matrices import solve_triangular, spectral_bound, triu
from thalweg.reductions import largest, mean, norm, sum
from thalweg.requests import curvature, gradient, noise
from thalweg.rule import Rule, Stage, setting, state

"""


def declare(text, folder):
    """Run a declaration as the file `mistakes.py`; what it has declared, by name."""
    path = folder / "mistakes.py"
    path.write_text(HEADER + dedent(text).strip() + "\n")
    made = {"__name__": "mistakes"}
    exec(compile(path.read_text(), str(path), "exec"), made)
    return made


def rule(body, takes="g, m, lr", returns="u, m", above="", first="", kind="Rule"):
    """A rule with one state and one setting around the body of its `update`; `above` are more
    lines of the class, `first` lines in front of it."""
    own = "" if kind == "Stage" else 'lr: float = setting(1e-3, low=0)\nm = state("exp_avg")\n'
    lines = [
        *dedent(first).strip().splitlines(),
        f"class Broken({kind}):",
        *("    " + line for line in (own + dedent(above).strip()).splitlines()),
        "    @staticmethod",
        f"    def update({takes}):",
        *("        " + line for line in dedent(body).strip().splitlines()),
        f"        return {returns}",
    ]
    return "\n".join(lines)


def stage(body, takes="u", returns="u", above="", first=""):
    """A stage around the body of its `update`, without a setting or a state of its own."""
    return rule(body, takes, returns, above, first, kind="Stage")


def line(text, *more, **settings):
    """A rule whose first line is at fault."""
    return rule("\n".join([text + HERE, *more]) + STEP, **settings)


def told(text, folder):
    """Where a declaration is at fault, what is said of it, the line that is quoted, and whether
    that is the one with the mark."""
    with pytest.raises(TypeError) as caught:
        declare(text, folder)
    lines = (folder / "mistakes.py").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if HERE.strip() in line)
    place, _, rest = str(caught.value).partition(": ")
    message, _, quoted = rest.partition("\n")
    assert quoted == "    " + lines[at].strip()
    assert place.endswith(f", line {at + 1} of mistakes.py")
    return place.rpartition(", line ")[0], message


def assert_named(mistake, folder):
    """A text with a mistake in its `update`, and how what is said of it ends."""
    text, says = mistake
    place, message = told(text, folder)
    assert place == "Broken.update"
    assert message.endswith(says)
