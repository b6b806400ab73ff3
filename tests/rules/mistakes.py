"""Declarations written to a file, so that an error can say in which line."""

from textwrap import dedent

HEADER = """\
import math
import numpy as np
from thalweg.elementwise import maximum, sqrt, where
from thalweg.rule import Rule, Stage, measure, scalar_state, setting, state, switch

"""


def declare(text, folder):
    """Run a declaration as the file `mistakes.py`."""
    path = folder / "mistakes.py"
    path.write_text(HEADER + dedent(text).strip() + "\n")
    exec(compile(path.read_text(), str(path), "exec"), {"__name__": "mistakes"})


def rule(body, takes="p, g, m, lr", returns="p, m", above=""):
    """A rule with one state and one setting around the body of its `update`."""
    lines = [
        "class Broken(Rule):",
        "    lr: float = setting(1e-3, low=0)",
        '    m = state("exp_avg")',
        *("    " + line for line in dedent(above).strip().splitlines()),
        "    @staticmethod",
        f"    def update({takes}):",
        *("        " + line for line in dedent(body).strip().splitlines()),
        f"        return {returns}",
    ]
    return "\n".join(lines)
