"""Words on whole matrices, on rows and columns, and questions, where they cannot stand."""

import pytest

from tests.rules.mistakes import HERE, STEP, declare, line, rule, told

LEFT = dict(takes="g, m, lr, L", returns="u, m, L", above='L = state("left", per=("rows", "rows"))')
ROWS = dict(takes="g, m, lr, r", returns="u, m, r", above='r = state("rows", per="row")')

IN_A_LINE = {
    "two that do not fit": (
        line("m = g @ g"),
        "`g @ g`: a matrix of rows x columns and one of rows x columns do not go together",
    ),
    "a product with a number": (
        line("m = g @ lr"),
        "@ is for matrices, and `lr` is none",
    ),
    "a state of another shape": (
        line("L = g.mT @ g", "m = g", **LEFT),
        "'L' is a matrix of rows x rows, and is given one of columns x columns",
    ),
    "a matrix that is given elements": (
        line("L = g * g", "m = g", **LEFT),
        "'L' is a matrix of rows x rows, and is given no matrix",
    ),
    "a matrix that is given a number": (
        line("L = 0.0", "m = g", **LEFT),
        "'L' is a matrix of rows x rows, and is given no matrix",
    ),
    "elements that are given a matrix": (
        line("m = g @ g.mT"),
        "'m' has the shape of its parameter, and is given a matrix of another",
    ),
    "a sum of two shapes": (
        line("L = L + g.mT @ g", "m = g", **LEFT),
        "do not go together",
    ),
    "elements and a matrix": (
        line("L = L * g", "m = g", **LEFT),
        "do not go together",
    ),
    "a basis of what is not symmetric": (
        line("L = eigenbasis(g)", "m = g", **LEFT),
        "eigenbasis is for symmetric matrices, and `g` is of rows x columns",
    ),
    "a triangle of what is not square": (
        line("m = triu(g)"),
        "triu is for square matrices, and `g` is of rows x columns",
    ),
    "an identity that is not square": (
        line("m = identity(g)"),
        "identity is for square matrices, and `g` is of rows x columns",
    ),
    "a bound of what is not symmetric": (
        line("m = g / spectral_bound(g)"),
        "spectral_bound is for symmetric matrices, and `g` is of rows x columns",
    ),
    "a triangle with more columns than rows": (
        line("m = solve_triangular(g, g)"),
        "solve_triangular is for triangular matrices, and `g` is of rows x columns",
    ),
    "a triangle on the wrong side": (
        line("m = solve_triangular(L, g)", **LEFT),
        "`solve_triangular(L, g)`: a matrix of rows x rows and one of rows x columns do not go "
        "together",
    ),
    "a root that is measured": (
        line("L = inverse_root(L, norm(g), 1e-4)", "m = g", **LEFT),
        "inverse_root takes `norm(g)` as a number that is known before the step, which it is not",
    ),
    "a norm of a matrix": (
        line("m = g / norm(L)", **LEFT),
        "norm of `L`, which is a matrix; what is reduced must be computed from elements",
    ),
    "noise of elements": (
        line("m = noise(g, t)", takes="g, m, lr, t"),
        "noise is told numbers of the step, and `g` is none",
    ),
    "noise without a draw": (
        line("m = noise(lr)"),
        "noise is told its seed and the number of the draw; it got 1 arguments",
    ),
    "noise whose seed nobody can choose": (
        line("m = noise(0, t)", takes="g, m, lr, t"),
        "noise has the seed 0, the same for every user; make it a setting",
    ),
    "curvature along a number": (
        line("m = curvature(lr)"),
        "curvature is told a direction, and `lr` is none",
    ),
    "under an `if` on a number that is measured": (
        rule(f"m = g\nif norm(g) > 1:\n    m = g @ g.mT @ g{HERE}" + STEP),
        ".mT under an `if` on a number that is measured; take it before",
    ),
    "an `if` on a matrix": (
        rule(f"m = g\nif L > 0:{HERE}\n    m = 2 * g" + STEP, **LEFT),
        "which differs from element to element; use where(condition, a, b)",
    ),
    "too few arguments": (
        line("m = newton_schulz(g)"),
        "newton_schulz takes 4 or 5 arguments, got 1",
    ),
    "another attribute": (
        line("m = g.T @ g"),
        "`g.T` cannot be read; a text reads names alone",
    ),
    "a number per row that is given one per column": (
        line('r = mean(g * g, "column")', "m = g", **ROWS),
        "'r' is one number per row, and is given one per column; "
        "take its sum, mean, norm or largest",
    ),
    "a number per row that is given one per element": (
        line("r = g * g", "m = g", **ROWS),
        "'r' is one number per row, and is given one per element; "
        "take its sum, mean, norm or largest",
    ),
    "a gradient at no place": (
        line("m = gradient()"),
        "gradient is told where, and of which loss; it got 0 arguments",
    ),
    "a gradient at a number": (
        line("m = gradient(lr)"),
        "gradient is told other weights, and `lr` is none",
    ),
    "a gradient of what is no word": (
        line("m = gradient(g, lr)"),
        "gradient must say of which loss by a word",
    ),
    "a gradient that some may not ask for": (
        rule(f"m = gradient(g) if norm(g) > 1 else g{HERE}" + STEP),
        "gradient where not every tensor comes to it; take it before",
    ),
    "a gradient under an `if` that is measured": (
        rule(f"m = g\nif norm(g) > 1:\n    m = gradient(g){HERE}" + STEP),
        "gradient under an `if` on a number that is measured; take it before",
    ),
    "a gradient in a function of one's own": (
        rule(f"m = away(g){HERE}" + STEP, first="def away(x):\n    return gradient(x)"),
        "gradient in a function of your own; take it in update, and give its result to away",
    ),
    "a word with the name of a value": (
        rule(f"qr = g{HERE}\nm = qr" + STEP),
        "'qr' is a word of the language; use another name",
    ),
}


@pytest.mark.parametrize("mistake", IN_A_LINE)
def test_a_mistake_is_named_where_it_stands(mistake, tmp_path):
    text, says = IN_A_LINE[mistake]
    try:
        _, message = told(text, tmp_path)
    except AssertionError:  # a function of one's own is quoted where the word stands
        with pytest.raises(TypeError) as caught:
            declare(text, tmp_path)
        assert "of your own" in says
        message = str(caught.value).partition("\n")[0]
    assert message.endswith(says)


OUTSIDE = {
    "a side that is nothing": (
        rule("m = g" + STEP, above='L = state("left", per=("rows", "rank"))'),
        "Broken.L: a side of a matrix is rows, columns or a whole number; unknown name 'rank'",
    ),
    "a matrix that starts as the parameter": (
        rule("m = g" + STEP, above='L = state("left", start="p", per=("rows", "rows"))'),
        """state('left'): start="p" is for a state per element, got a matrix""",
    ),
    "a `takes` that asks for more than a shape": (
        rule("m = g" + STEP, above="@staticmethod\ndef takes(ndim, name):\n    return True"),
        "unknown name 'name'; known are ndim, rows, columns",
    ),
    "either of one": (
        "from thalweg.either import either\nfrom thalweg.rules import Adam\neither(Adam)",
        "either takes two rules or more, got 1",
    ),
    "either with one that takes every tensor in front": (
        "from thalweg.either import either\nfrom thalweg.rules import Adam, Muon\n"
        'chain("Mine", either(Adam, Muon))',
        "Mine: Adam takes every tensor, and what stands behind it in either(...) would get none; "
        "put it last",
    ),
    "either inside either": (
        "from thalweg.either import either\nfrom thalweg.rules import Adam, Muon, SGD\n"
        'chain("Mine", either(Muon, Adam), either(Muon, SGD))',
        "Mine: a chain may choose by either(...) once",
    ),
}


@pytest.mark.parametrize("mistake", OUTSIDE)
def test_a_mistake_outside_of_a_line_is_named_as_well(mistake, tmp_path):
    text, says = OUTSIDE[mistake]
    with pytest.raises(TypeError) as caught:
        declare(text, tmp_path)
    assert says in str(caught.value)
