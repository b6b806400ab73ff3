"""Values of an `update` that do not go together: one and several, numbers and text, elements and
what there is one of."""

import pytest

from tests.rules.mistakes import (
    HERE,
    STEP,
    USE_WHERE,
    WITH_BETAS,
    WITH_MODE,
    assert_named,
    line,
    rule,
)

PER_TENSOR = dict(takes="g, m, lr, c", returns="u, m, c", above='c = state("count", per="tensor")')
FOR_ALL = dict(takes="g, m, lr, c", returns="u, m, c", above='c = state("count", per="all")')

KINDS = {
    "a number per tensor that is given one per element": (
        line("c = g * g", "m = g", **PER_TENSOR),
        "'c' is one number per tensor, and is given one per element; "
        "take its sum, mean, norm or largest",
    ),
    "a number for all that is given one per tensor": (
        line("c = norm(g)", "m = g", **FOR_ALL),
        "'c' is one number for all tensors, and is given one per tensor; "
        'take its sum, mean, norm or largest over "all"',
    ),
    "a number for all that is given one per row": (
        line('c = norm(g, "row")', "m = g", **FOR_ALL),
        "'c' is one number for all tensors, and is given one per row; "
        'take its sum, mean, norm or largest over "all"',
    ),
    "`if` on elements": (
        rule(f"m = m + g\nif m > 0:{HERE}\n    m = 2 * m" + STEP),
        f"`if` on 'm', which differs from element to element; {USE_WHERE}",
    ),
    "`if` on something computed from elements": (
        rule(f"large = m * m\nm = g\nif lr * large > 1:{HERE}\n    m = 2 * m" + STEP),
        f"`if` on 'large', which differs from element to element; {USE_WHERE}",
    ),
    "an if-expression on elements": (
        line("m = m if g > 0 else lr"),
        f"`if` on 'g', which differs from element to element; {USE_WHERE}",
    ),
    "`if` on the mean of a row": (
        rule(f'm = g\nif mean(g, "row") > 0:{HERE}\n    m = 2 * g' + STEP),
        f"`if` on `mean(g, 'row')`, which differs from row to row; {USE_WHERE}",
    ),
    "`and` on elements": (
        line("m = where(g > 0 and m > 0, g, m)"),
        f"`and`/`or` on elements; {USE_WHERE}",
    ),
    "`or` on elements": (
        line("m = where(g > 0 or lr > 0, g, m)"),
        f"`and`/`or` on elements; {USE_WHERE}",
    ),
    "`not` on elements": (  # an array has no truth value
        line("m = where(not g > 0, g, m)"),
        f"`not` on elements; {USE_WHERE}",
    ),
    "a chain of comparisons on elements": (  # Python reads an `and` into it
        line("m = where(0 < g < 1, g, m)"),
        f"`a < b < c` on elements; {USE_WHERE}",
    ),
    "`~` of a number": (
        line("m = ~g"),
        "`~g` is for conditions, and g is none; compare it with something",
    ),
    "`&` of a number": (
        line("m = where((g > 0) & m, g, m)"),
        "`(g > 0) & m` is for conditions, and m is none; compare it with something",
    ),
    "`~` of one truth value": (  # Python's ~True is -2, which is true
        line("m = where(~late, g, m)", takes="g, m, lr, late", above="late: bool = False"),
        "`~late` is for conditions on elements; here it is `not`",
    ),
    "several numbers as one": (
        line("m = betas * g", **WITH_BETAS),
        "'betas' is 2 numbers; take them apart, `b1, b2 = betas`",
    ),
    "several numbers under another name": (
        line("b = betas", "m = g", **WITH_BETAS),
        "'betas' is 2 numbers; take them apart, `b1, b2 = betas`",
    ),
    "`if` on several numbers": (
        rule(f"m = g\nif betas:{HERE}\n    m = 2 * g" + STEP, **WITH_BETAS),
        "'betas' is 2 numbers; take them apart, `b1, b2 = betas`",
    ),
    "several numbers taken apart into too many": (
        line("b1, b2, b3 = betas", "m = b1 * g", **WITH_BETAS),
        "takes 2 numbers apart into 3 names",
    ),
    "a third of two numbers": (
        line("m = betas[2] * g", **WITH_BETAS),
        "`betas[2]`: betas has the numbers 0 to 1, by a number written here; "
        "or take them apart, `b1, b2 = betas`",
    ),
    "several numbers on one way and one on the other": (
        line("b1, b2 = betas if lr > 0 else lr", "m = b1 * g", **WITH_BETAS),
        "is 2 values on one way and one value on the other",
    ),
    "one number taken apart": (
        line("b1, b2 = lr", "m = b1 * g"),
        "takes `lr` apart, which is one value",
    ),
    "elements taken apart": (line("a, b = g", "m = a"), "takes `g` apart, which is one value"),
    "a value that is two": (
        line("m = (g, m)"),
        "`(g, m)` is 2 values; give each a name on a line of its own",
    ),
    "an index": (line("m = g[0] * m"), "`g[0]` takes a part of something that is one value"),
    "numbers taken apart under an `if` that is measured": (
        rule(
            f"m = g\nif norm(g) > 1:\n    b1, b2 = betas{HERE}\n    m = b1 * g" + STEP, **WITH_BETAS
        ),
        "takes betas apart under an `if` on a number that is measured; do it before the `if`",
    ),
    "text in arithmetic": (
        line("m = mode * g", **WITH_MODE),
        "`mode` is text, which may be compared by == or !=, and no more",
    ),
    "text as a condition": (
        rule(f"m = g\nif mode:{HERE}\n    m = 2 * g" + STEP, **WITH_MODE),
        "`mode` is text, which may be compared by == or !=, and no more",
    ),
    "a choice that there is not": (
        rule(f'm = g\nif mode == "slo":{HERE}\n    m = 2 * g' + STEP, **WITH_MODE),
        "mode: unknown name 'slo'; did you mean 'slow'?",
    ),
    "text beside a number": (
        line("m = where(mode > 1, g, m)", **WITH_MODE),
        "`mode > 1`: text is compared with text, by == or !=",
    ),
    "`is`": (
        rule(f"m = g\nif lr is True:{HERE}\n    m = 2 * g" + STEP),
        "`lr is True` asks for the same object; compare with == or !=",
    ),
    "`in`": (
        rule(f'm = g\nif mode in ("fast", "slow"):{HERE}\n    m = 2 * g' + STEP, **WITH_MODE),
        "`mode in ('fast', 'slow')` is not arithmetic; compare with each, `a == b or a == c`",
    ),
    "a state that may be None": (
        rule(f"if m is None:{HERE}\n    m = g" + STEP),
        "`m is None`: nothing is None here; `first` says whether the states are new",
    ),
    "None": (
        line("m = None"),
        "None is no number; a state is a number from the start, `state(..., start=0.0)`",
    ),
    "a number that no double can hold": (
        line(f"m = 1{'0' * 400} * g"),
        "has a number that is too large for a double",
    ),
}

REDUCTIONS = {
    "of what is one number already": (
        line("m = g / norm(lr)"),
        "norm over 'tensor' of 'lr', which is one number for the step already",
    ),
    "of one that is taken already": (
        line("m = g / norm(norm(g))"),
        "norm over 'tensor' of 'norm(g)', which is one number for each tensor already",
    ),
    "over all of a number per tensor": (
        line('m = g / sum(norm(g), "all")'),
        "sum over 'all' of 'norm(g)', which is one number for each tensor; "
        "what is reduced must be computed from elements",
    ),
    "over a tensor of a sum per row": (
        line('m = g / sum(sum(g, "row"))'),
        """sum over 'tensor' of "sum(g, 'row')", which is one number for each row; """
        "what is reduced must be computed from elements",
    ),
    "over a word that is none": (
        line('m = g - mean(g, "rows")'),
        "mean: unknown name 'rows'; did you mean 'row'?",
    ),
    "over a number": (
        line("m = g - mean(g, 0)"),
        "mean must say over what by a word, one of row, column, tensor, all",
    ),
    "over what a setting says": (
        line("m = g - mean(g, mode)", **WITH_MODE),
        "mean must say over what by a word, one of row, column, tensor, all",
    ),
    "of nothing": (line("m = g / norm()"), "norm takes what to reduce and over what, got 0"),
    "of two values": (
        line('m = g / norm(g, m, "row")'),
        "norm takes what to reduce and over what, got 3",
    ),
    "of several numbers": (
        line("m = g / sum(betas)", **WITH_BETAS),
        "'betas' is 2 numbers; take them apart, `b1, b2 = betas`",
    ),
    "under an `if` on a number that is measured": (
        rule(f"m = g\nif norm(g) > 1:\n    m = g / largest(g){HERE}" + STEP),
        "largest under an `if` on a number that is measured; take it before",
    ),
}

IN_A_LINE = {**KINDS, **REDUCTIONS}


@pytest.mark.parametrize("mistake", IN_A_LINE)
def test_a_mistake_is_named_where_it_stands(mistake, tmp_path):
    assert_named(IN_A_LINE[mistake], tmp_path)
