"""Conditions where numbers are asked for, and names that are something else on each way."""

import pytest

from tests.rules.mistakes import HERE, STEP, assert_named, declare, line, rule


def no_number(whole, condition):
    return (
        f"`{whole}` computes with `{condition}`, which is a condition and no number; write "
        f"where({condition}, 1.0, 0.0)"
    )


L = 'L = state("left", per=("rows", "rows"))\nQ = state("right", per=("columns", "columns"))'
WITH_L = dict(takes="g, m, lr, t, L, Q", returns="u, m, L, Q", above=L)

CONDITIONS = {
    "two that are added up": (
        line("m = (g > m) + (m > 0)"),
        no_number("(g > m) + (m > 0)", "g > m"),
    ),
    "one with its sign turned": (line("m = -(g > 0)"), no_number("-(g > 0)", "g > 0")),
    "one times a number": (line("m = lr * (g > 0)"), no_number("lr * (g > 0)", "g > 0")),
    "one on a number of the step": (line("m = g * (lr > 1)"), no_number("g * (lr > 1)", "lr > 1")),
    "one that is told a word": (line("m = sqrt(g > 0)"), no_number("sqrt(g > 0)", "g > 0")),
    "one that is summed": (line("m = g * mean(g > 0)"), no_number("mean(g > 0)", "g > 0")),
    "one in a product of matrices": (
        line("m = g @ (g > 0).mT @ g"),
        no_number("(g > 0).mT", "g > 0"),
    ),
    "one that is averaged": (
        line("m = lerp(m, g > 0, 0.5)"),
        no_number("where(abs(0.5) < 0.5, m, g > 0)", "g > 0"),
    ),
    "one under a name": (
        rule(f"d = g > 0\nm = d + d{HERE}" + STEP),
        no_number("d + d", "d"),
    ),
    "one that a state is given": (
        line("m = g > 0"),
        "'m' holds numbers, and is given a condition; write where(g > 0, 1.0, 0.0)",
    ),
    "one that is compared with a number": (
        line("m = where((g > 0) > 0.5, g, m)"),
        "`(g > 0) > 0.5`: a condition is compared with another, by == or !=",
    ),
    "a number that `where` is asked": (
        line("m = where(g, m, 1.0)"),
        "where asks for a condition, and `g` is none; compare it with something",
    ),
    "a condition here and a number there": (
        rule(f"if lr > 1:\n    d = g > 0\nelse:\n    d = g\nm = 2 * d{HERE}" + STEP),
        "'d' is a condition on one way and a number on the other; "
        "where(condition, 1.0, 0.0) is a number",
    ),
    "the same in a line": (
        line("m = where((g > 0) if lr > 1 else g, m, g)"),
        "`g > 0 if lr > 1 else g` is a condition on one way and a number on the other; "
        "where(condition, 1.0, 0.0) is a number",
    ),
    "a truth that is subtracted": (
        line("m = g - first", takes="g, m, lr, first"),
        "`g - first` subtracts a truth; write where(first, 1.0, 0.0)",
    ),
}

WAYS = {
    "a state per element that is given one number per row": (
        line('m = mean(g, "row")'),
        "'m' is one number per element, and is given one per row; "
        'declare it per="row", or compute it with something per element',
    ),
    "a step of one number per column": (
        rule(f'm = g\nu = mean(g, "column"){HERE}'),
        "'u' is one number per element, and is given one per column; "
        "compute it with something per element",
    ),
    "matrices of two shapes": (
        rule(f"if t > 1:\n    d = L\nelse:\n    d = Q\nm = g @ d{HERE}" + STEP, **WITH_L),
        "'d' is a matrix of rows x rows on one way and one of columns x columns on the other",
    ),
    "a matrix and a number": (
        rule(f"if t > 1:\n    d = L\nelse:\n    d = 0.0\nm = d @ g{HERE}" + STEP, **WITH_L),
        "'d' is a matrix of another shape on one way and a number of the step on the other",
    ),
    "matrices of two shapes in a line": (
        line("m = (L if t > 1 else Q) @ g", **WITH_L),
        "`L if t > 1 else Q` is a matrix of rows x rows on one way and one of columns x columns on "
        "the other",
    ),
    "a matrix under an `if` on a sum": (
        rule(f"m = g\nif norm(g) > 1:\n    L = 2 * L{HERE}" + STEP, **WITH_L),
        "'L' is a matrix of another shape and is given a value under an `if` on a number that is "
        "measured; write where(condition, a, b) in its place",
    ),
}

IN_A_LINE = {**CONDITIONS, **WAYS}


@pytest.mark.parametrize("mistake", IN_A_LINE)
def test_a_mistake_is_named_where_it_stands(mistake, tmp_path):
    assert_named(IN_A_LINE[mistake], tmp_path)


RIGHT = {
    "conditions are joined and compared": "m = where(((g > 0) | (lr > 1)) == ~(m > 0), g, m)",
    "a name is another thing on each way and nobody asks": (
        "if lr > 1:\n    d = g > 0\nelse:\n    d = g\nd = 2 * g\nm = d"
    ),
    "a setting that is a truth is a number": "m = g * nesterov",
}


@pytest.mark.parametrize("what", RIGHT)
def test_it_may_be_written(what, tmp_path):
    made = rule(RIGHT[what] + STEP, takes="g, m, lr, nesterov", above="nesterov: bool = True")
    assert declare(made, tmp_path)["Broken"].text
