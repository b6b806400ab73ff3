"""What a function of an author's own may not be, which an `update` calls."""

import pytest

from tests.rules.mistakes import (
    HERE,
    STEP,
    USE_WHERE,
    declare,
    line,
    rule,
    told,
)

# lines of `evaluate` -> what is said of the one with the mark
EVALUATE = {
    "that takes a name that is nowhere": (
        f"def evaluate(p, mm):{HERE}\n    return p + mm",
        "unknown name 'mm'; did you mean 'm'?",
    ),
    "that takes the gradient": (
        f"def evaluate(p, g):{HERE}\n    return p - g",
        "unknown name 'g'; known are p, m, lr",
    ),
    "that returns nothing": (
        f"def evaluate(p, m):\n    q = p + m{HERE}",
        "must end with `return` and the new values",
    ),
}


@pytest.mark.parametrize("mistake", EVALUATE)
def test_a_mistake_in_evaluate_is_named_where_it_stands(mistake, tmp_path):
    lines, says = EVALUATE[mistake]
    place, message = told(rule("m = g" + STEP, above=f"@staticmethod\n{lines}"), tmp_path)
    assert (place, message) == ("Broken.evaluate", says)


OWN = "of, which Broken.update calls"
# lines of a function `of` -> what is said of it, in its own line
IN_A_FUNCTION = {
    "that calls itself": (
        f"def of(x):\n    return of(x){HERE}",
        "of calls itself, which has no end",
    ),
    "that returns twice": (
        f"def of(x):\n    if x > 0:\n        return x{HERE}\n    return 2 * x",
        "may only return at its end; give a name its value on each way, and return that",
    ),
    "that returns nothing": (
        f"def of(x):\n    y = 2 * x{HERE}",
        "must end with `return` and the new values",
    ),
    "with a reduction": (
        f"def of(x):\n    return x / norm(x){HERE}",
        "norm in a function of your own; take it in update, and give its result to of",
    ),
    "with a name of update": (f"def of(x):\n    return x * lr{HERE}", "unknown name 'lr'; "),
    "with a loop": (
        f"def of(x):\n    for _ in range(3):{HERE}\n        x = 2 * x\n    return x",
        "'for' is not an assignment or an `if`",
    ),
    "with arguments of any number": (
        f"def of(*x):{HERE}\n    return x",
        "must name each of its arguments; leave out the `*x`",
    ),
    "with a default": (
        f"def of(x, y=2):{HERE}\n    return x * y",
        "'y' has a default, which is not read",
    ),
    "with a word as a name": (
        f"def of(x):\n    norm = 2 * x{HERE}\n    return norm",
        "'norm' is a word of the language; use another name",
    ),
}


@pytest.mark.parametrize("mistake", IN_A_FUNCTION)
def test_a_mistake_in_a_function_of_one_s_own_is_named_in_that_function(mistake, tmp_path):
    first, says = IN_A_FUNCTION[mistake]
    place, message = told(rule("m = of(g)" + STEP, first=first), tmp_path)
    assert place == OWN
    assert message.startswith(says)


# a function `of` that is fine in itself, the line that calls it -> what is said there
WHERE_IT_IS_CALLED = {
    "by keyword": ("def of(x):\n    return x", "m = of(x=g)", "of takes its arguments by position"),
    "with too much": (
        "def of(x):\n    return x",
        "m = of(g, m)",
        "of takes 1 arguments, got 2",
    ),
    "that gives two values": (
        "def of(x):\n    return x, 2 * x",
        "m = of(g)",
        "`(g, 2 * g)` is 2 values; give each a name on a line of its own",
    ),
    "with an `if` on elements": (
        "def of(x):\n    y = 2 * x\n    if x > 0:\n        y = x\n    return y",
        "m = of(g)",
        f"`if` on 'g', which differs from element to element; {USE_WHERE}",
    ),
    "that remembers": (
        "import functools\n\n@functools.cache\ndef of(x):\n    return x",
        "m = of(g)",
        "of cannot be read; a function of your own is written with `def` alone",
    ),
    "that is wrapped": (
        "import functools\n\ndef twice(f):\n    @functools.wraps(f)\n    def g(x):\n"
        "        return 2 * f(x)\n    return g\n\n@twice\ndef of(x):\n    return x",
        "m = of(g)",
        "of is wrapped by another function, which is not looked into; "
        "leave out what is above its `def`",
    ),
    "that is a class": (
        "class of:\n    pass",
        "m = of(g)",
        "of cannot be read; a function of your own is written with `def` alone",
    ),
}


@pytest.mark.parametrize("mistake", WHERE_IT_IS_CALLED)
def test_a_call_of_a_function_that_cannot_be_is_named_where_it_stands(mistake, tmp_path):
    first, call, says = WHERE_IT_IS_CALLED[mistake]
    assert told(line(call, first=first), tmp_path) == ("Broken.update", says)


def test_functions_that_call_each_other_have_no_end_either(tmp_path):
    first = f"def of(x):\n    return to(x)\n\ndef to(x):\n    return of(x){HERE}"
    place, message = told(rule("m = of(g)" + STEP, first=first), tmp_path)
    assert (place, message) == (
        "to, which Broken.update calls",
        "of calls itself, which has no end",
    )


def test_a_lambda_of_the_module_is_said_to_be_one(tmp_path):
    with pytest.raises(TypeError) as caught:
        declare(rule("m = of(g)" + STEP, first="of = lambda x: 2 * x"), tmp_path)
    assert str(caught.value) == f"{OWN}: must be written with `def`, on lines of its own"
