"""Small texts that a pass and the plain run once took differently, or that no pass could run."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest
import torch

import thalweg.optim as optim
from tests.fuse.test_any_text import FUNCTIONS, verdict
from tests.rules.mistakes import declare
from thalweg.chain import chain

ROWS = 'r = state("of_rows", per="row", start=0.5)\n'
NUMBERS = 'd = state("of_tensor", per="tensor", start=0.5)\n'
LEFT = 'L = state("left", per=("rows", "rows"))\nK = state("before", per=("rows", "rows"))\n'

# what a text declares, takes and says; what it returns
TEXTS = {
    "sums of columns, where no array has one number per column": (
        ("", "p, g"),
        'u = g / norm(g, "column")',
        "u",
    ),
    "a name per row that is per element later": (
        (ROWS, "p, g, r"),
        "x = r * r\nx = x + g * g\nr = r + mean(g * g, 'row')\nu = g / sqrt(x)",
        "u, r",
    ),
    "a truth that is written in a condition": (
        ("", "p, g"),
        "u = where(True & (g > 0), g, p)",
        "u",
    ),
    "conditions on sums in a condition on elements": (
        ("", "p, g"),
        "u = where((norm(g) > 1) & (norm(p) > 1) & (g > 0), g, p)",
        "u",
    ),
    "a condition on sums under a name": (
        ("", "p, g"),
        "c = norm(g) > 3\nu = where(c | (g > 0), g, p)",
        "u",
    ),
    "a condition per column under a name": (
        ("", "p, g"),
        'x = (mean(g * g, "column") > 0.5) | (norm(g) == 1)\nu = where(x, g, p)',
        "u",
    ),
    "a sum over all in front of a draw that does not need it": (
        ("k: int = 2\n", "p, g, k, ndim"),
        "if ndim > 1:\n    x = norm(g, 'all')\nelse:\n    x = 1.0\n"
        "z = noise(k, 1)\nx = 2.0\nu = z * x",
        "u",
    ),
    "a state per row that one side of a condition on sums reads": (
        (ROWS, "g, r"),
        "if norm(g) > 0.1:\n    u = g + r\nelse:\n    u = g",
        "u, r",
    ),
    "a row on one way and elements on the other, then summed": (
        ("", "p, g, ndim"),
        'x = mean(g, "row") if ndim > 1 else g\nu = g / sum(x + p)',
        "u",
    ),
    "a number on one way and a row on the other, then averaged": (
        (ROWS, "p, g, r, first"),
        'x = 2.0 if first else mean(g * g, "row")\nr = r + mean(x + r, "column")\nu = g / r',
        "u, r",
    ),
    "functions written in words, of elements, sums and numbers": (
        (NUMBERS, "p, g, d, t"),
        "u = tanh(g) * cos(t) + floor(3 * p) * tanh(d) + cos(norm(g)) * cos(p)",
        "u",
    ),
    "the weights as they were": (
        ('b = state("before")\n', "p, g, b"),
        "b = p\nu = 0.1 * g",
        "u, b",
    ),
}
ON_MATRICES = {
    "a number on one way of a factor": (
        (NUMBERS, "p, g, d, t"),
        "u = (d if t == 1 else p) @ (d if t == 1 else p).mT @ g",
        "u",
    ),
    "a matrix as it was": (
        (LEFT, "p, g, L, K"),
        "K = L\nL = L + g @ g.mT\nu = K @ g",
        "u, L, K",
    ),
    "a matrix and no word on matrices": (
        (LEFT, "p, g, L, K"),
        "K = L\nu = g",
        "u, K",
    ),
}


def declared(parts, folder):
    (above, takes), body, returns = parts
    head = f"{above}@staticmethod\ndef update({takes}):\n"
    lines = indent(f"{dedent(body)}\nreturn {returns}", "    ")
    text = f"{FUNCTIONS}class Broken(Rule):\n{indent(head + lines, '    ')}"
    return chain("Small", declare(text, folder)["Broken"])


@pytest.mark.parametrize("what", [*TEXTS, *ON_MATRICES])
def test_it_runs_fused_as_it_is_written(what, tmp_path):
    made = declared({**TEXTS, **ON_MATRICES}[what], tmp_path)
    assert verdict(made, what in ON_MATRICES, 1) == ""


def test_the_weights_as_they_were_are_kept_where_no_kernel_runs(tmp_path):
    both = 'b = state("before")\n' + ROWS, "p, g, b, r"
    lines = "b = p\nr = r + mean(g * g, 'row')\nu = 0.1 * g"
    made = declared((both, lines, "u, b, r"), tmp_path)
    memory = torch.arange(24.0, dtype=torch.float64).reshape(4, 3, 2)
    p = memory[..., 0]  # with gaps
    opt = optim.optimizer(made)([p])
    before = p.clone()
    p.grad = torch.ones(4, 3, dtype=torch.float64)
    opt.step()
    assert not torch.equal(p, before)
    assert torch.equal(opt.state[p]["before"], before)


def test_a_power_that_is_no_real_number_is_told(tmp_path):
    made = declared((("lr: float = 0.1\n", "g, lr, t"), "u = (lr - t) ** lr * g", "u"), tmp_path)
    p = torch.ones(3)
    opt = optim.optimizer(made)([p])
    p.grad = torch.ones(3)
    said = r"Broken\.update: -0\.9 to the power of 0\.1 is no real number"
    with pytest.raises(ArithmeticError, match=said):
        opt.step()
    assert torch.equal(p, torch.ones(3))
