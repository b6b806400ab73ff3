"""What an `update` may not say: caught when its class body ends, by name, line and hint."""

import pytest

from tests.rules.mistakes import (
    HERE,
    STEP,
    WITH_BETAS,
    WITH_MODE,
    assert_named,
    line,
    rule,
    stage,
)
from thalweg.reading import WORDS
from thalweg.rule import Rule

KNOWN = ", ".join(WORDS.values())

NAMES = {
    "an unknown name in the signature": (
        rule("m = g" + STEP, takes="g, m, lrr", returns="u, m").replace("lrr):", "lrr):" + HERE),
        "unknown name 'lrr'; did you mean 'lr'?",
    ),
    "an unknown name further down a long signature": (
        rule("m = g" + STEP, takes=f"\n        g,\n        m,\n        lrr,{HERE}\n    "),
        "unknown name 'lrr'; did you mean 'lr'?",
    ),
    "self": (
        rule("m = g" + STEP, takes="self, g, m, lr").replace("lr):", "lr):" + HERE),
        "unknown name 'self'; known are p, g, u, lr, m; update belongs to no instance: "
        "put @staticmethod above it, and leave self out",
    ),
    "a name that is nowhere": (line("m = m + grad"), "unknown name 'grad'; known are g, lr, m, u"),
    "a misspelt name": (
        rule(f"buffer = m + g\nm = bufer{HERE}" + STEP),
        "unknown name 'bufer'; did you mean 'buffer'?",
    ),
    "a setting that the signature does not take": (
        rule(f"m = m + g\nu = lr * m{HERE}", takes="g, m"),
        "'lr' is not among the arguments of update; take it there",
    ),
    "the step's number, not taken": (
        line("m = g / t"),
        "'t' is not among the arguments of update; take it there",
    ),
    "a name read before it has a value": (
        line("m = d", "d = 2 * g"),
        "'d' has no value yet where it is read",
    ),
    "a name that is computed from itself": (
        line("d = d + g", "m = d"),
        "'d' has no value yet where it is read",
    ),
    "a name without a value on some way": (
        rule(f"if lr > 0:\n    d = g\nm = d{HERE}" + STEP),
        "'d' has a value on one way through an `if` and none on another",
    ),
    "a name without a value on a way that is measured": (
        rule(f"if norm(g) > 1:\n    d = g\nm = d{HERE}" + STEP),
        "'d' has a value on one way through an `if` and none on another",
    ),
    "a setting that is given a value": (
        line("lr = 2 * lr", "m = g"),
        "'lr' is given, and cannot be assigned; use another name",
    ),
    "the step's number that is given a value": (
        line("t = t + 1", "m = g / t", takes="g, m, lr, t"),
        "'t' is given, and cannot be assigned; use another name",
    ),
    "a local name that is a word": (
        line("norm = norm(g)", "m = g / norm"),
        "'norm' is a word of the language; use another name",
    ),
    "a word as a name, further down": (
        rule(f"m = sqrt(g)\nsqrt = m{HERE}" + STEP),
        "'sqrt' is a word of the language; use another name",
    ),
    "a setting that is a word": (
        rule("m = sum * g" + STEP, takes="g, m, lr, sum", above="sum: float = 1.0").replace(
            "sum):", "sum):" + HERE
        ),
        "'sum' is a word of the language; use another name",
    ),
    "a name that the engine uses": (
        line("n1_ = 2 * lr", "m = n1_ * g + 3 * lr * g"),
        "'n1_' is a name of the engine's; use another one",
    ),
    "a number of another module": (
        line("m = math.pi * g"),
        "`math.pi` cannot be read here; a number of a module gets a name of its own above the "
        "class, such as `PI = math.pi`",
    ),
    "a text of the module": (
        line("m = g if mode == FAST else m", **WITH_MODE, first='FAST = "fast"'),
        "'FAST' is 'fast' in its module, where only a number can be taken from; as a setting it is "
        "written `FAST: str = setting('fast', choices=('fast', ...))`",
    ),
    "a word that is not called": (
        line("m = sqrt * g"),
        "'sqrt' is a function, and no number; call it",
    ),
    "a value that is called": (line("m = lr(g)"), "'lr' is a value, and is called like a function"),
    "an attribute": (line("m = g.real"), "`g.real` cannot be read; a text reads names alone"),
    "the shape": (
        line("m = g / g.shape[0]"),
        "`g.shape` cannot be read; a text reads names alone; take ndim, rows or columns",
    ),
}

CALLS = {
    "an unknown word": (line("m = gamma(g)"), f"unknown name 'gamma'; known are {KNOWN}"),
    "a misspelt word": (
        line("m = sqrrt(g)"),
        "unknown name 'sqrrt'; did you mean 'sqrt'?; import it from thalweg.elementwise",
    ),
    "a misspelt reduction": (
        line("m = g / norn(g)"),
        "unknown name 'norn'; did you mean 'norm'?; import it from thalweg.reductions",
    ),
    "the builtin abs": (
        line("m = abs(g)"),
        "abs is not the function of thalweg.elementwise; import it from thalweg.elementwise",
    ),
    "math's function": (
        line("m = math.sqrt(lr) * g"),
        "math.sqrt is no word of the language; import sqrt from thalweg.elementwise",
    ),
    "NumPy's sum": (
        line("m = g / np.sum(g)"),
        "np.sum is no word of the language; import sum from thalweg.reductions",
    ),
    "an array's sum": (
        line("m = g / g.sum()"),
        "g.sum is no word of the language; import sum from thalweg.reductions",
    ),
    "NumPy's function that is no word": (
        line("m = np.sinh(g)"),
        f"np.sinh is no word of the language; known are {KNOWN}",
    ),
    "NumPy's function that is written here in words": (
        line("m = np.tanh(g)"),
        "np.tanh is no word of the language; import tanh from thalweg.elementwise",
    ),
    "arguments by keyword": (
        line("m = maximum(m, b=g)"),
        "maximum takes its arguments by position",
    ),
    "over what by keyword": (
        line('m = g / norm(g, over="row")'),
        "norm takes its arguments by position",
    ),
    "more arguments than the word takes": (  # NumPy would write into the second one
        line("m = sqrt(g, g)"),
        "sqrt takes 1 arguments, got 2",
    ),
    "fewer arguments than the word takes": (
        line("m = where(g > 0, g)"),
        "where takes 3 arguments, got 2",
    ),
    "arguments with a star": (
        line("m = maximum(*betas) * g", **WITH_BETAS),
        "`*betas`: write each one by itself",
    ),
    "a lambda": (
        line("half = lambda x: x / 2", "m = half(g)"),
        "a lambda is not looked into; write a function with `def` above the class",
    ),
    "a function inside of update": (
        line("def half(x):", "    return x / 2", "m = half(g)"),
        "a function stands in the module, above the class, and not here",
    ),
    "a call for its own sake": (
        line("print(m)"),
        "`print(m)` gives no name a value; what stands here must be `name = ...` or an `if`",
    ),
}

STATEMENTS = {
    "an early return": (
        rule(f"if lr > 0:\n    return m, m{HERE}\nm = g" + STEP),
        "may only return at its end; give a name its value on each way, and return that",
    ),
    "a `for` loop": (
        line("for _ in range(3):", "    m = m + g"),
        "'for' is not an assignment or an `if`",
    ),
    "a `while` loop": (
        line("while lr > 0:", "    m = m + g"),
        "'while' is not an assignment or an `if`",
    ),
    "a `match`": (
        line("match mode:", '    case "fast":', "        m = g", **WITH_MODE),
        "'match' is not an assignment or an `if`",
    ),
    "`del`": (
        rule(f"d = g\nm = d\ndel d{HERE}" + STEP),
        "'del' is not an assignment or an `if`",
    ),
    "two assignments that read each other": (
        rule(f"a = g\nb = m\na, b = b, a{HERE}\nm = a" + STEP),
        "reads 'a', which it changes; write a line for each",
    ),
    "two names and three values": (line("a, b = g, m, g", "m = a"), "gives 2 names 3 values"),
    "names within names": (
        line("(a, b), c = (g, m), lr", "m = a"),
        "gives `(a, b)` a value, which is not a name",
    ),
    "a name with a star": (
        line("b1, *rest = betas", "m = g", **WITH_BETAS),
        "gives `*rest` a value, which is not a name",
    ),
    "an assignment to an element": (line("m[0] = g"), "gives `m[0]` a value, which is not a name"),
    "an augmented assignment": (  # on an array it would change the caller's own, `g` among them
        line("m += g"),
        "would change m in place, which may be the caller's; use m = ...",
    ),
    "an assignment with a type": (
        line("m: float = 2 * g"),
        "says a type, which is not read; write `m = 2 * g`",
    ),
    "an assignment in mid-line": (
        line("m = (d := g) + d"),
        "`(d := g)` gives a name a value in mid-line; write a line for it",
    ),
    "a comprehension": (
        line("m = sum(x * x for x in g)"),
        "`(x * x for x in g)`: there is no loop; what stands here is done to every element",
    ),
    "a list": (line("m = [g]"), "`[g]` is not arithmetic on elements"),
    "text with values in it": (line('m = f"{g}"'), "`f'{g}'` is not arithmetic on elements"),
    "a shift": (
        line("m = g << 2"),
        "`a << b` is not arithmetic on elements, such as + - * / // % **",
    ),
    "a line that no one could follow": (
        line(f"m = {' + '.join(['g'] * 300)}"),
        "is too long or too deep to follow; give its parts names",
    ),
    "more cases than anyone could follow": (
        rule(
            "m = g\nif lr > 99:\n    m = 0 * g\n"
            + "".join(
                f"elif lr > {99 - i}:{HERE if i == 41 else ''}\n    m = {i} * g\n"
                for i in range(1, 60)
            )
            + STEP
        ),
        "stands in more than 40 `if`s; an `elif` is one too",
    ),
}

SIGNATURES = {
    "arguments of any number": ("g, m, lr, *more", "leave out the `*more`"),
    "keywords of any name": ("g, m, lr, **more", "leave out the `**more`"),
    "arguments by position alone": ("g, m, /, lr", "leave out the `/`"),
    "a default": (
        "g, m, lr=0.1",
        "'lr' has a default, which is not read; a setting is declared in the class, "
        "`lr: float = 0.1`",
    ),
}
SIGNATURES = {
    what: (rule("m = g" + STEP, takes).replace(f"({takes}):", f"({takes}):{HERE}"), says)
    for what, (takes, says) in SIGNATURES.items()
}

RETURNED = {
    "a state that is never returned": (
        rule("m = m + g" + STEP, returns="u" + HERE),
        "'m' is never returned",
    ),
    "a state returned under another name": (
        rule("m2 = m + g\nu = lr * m2", returns="u, m2" + HERE),
        "'m' is never returned, did you mean it by 'm2'?",
    ),
    "a state given a value on one way alone": (
        rule("if lr > 0:\n    m = g\nu = lr * g", "g, lr", returns="u, m" + HERE),
        "returns 'm', which has a value on one way through an `if` and none on another",
    ),
    "a rule that returns neither u nor p": (
        rule("m = m + g", returns="m" + HERE),
        "must return the step u, which is subtracted from p, or p",
    ),
    "a step that gets no value": (
        rule("m = m + g", returns="u, m" + HERE),
        "returns 'u', which gets no value",
    ),
    "a step with a value on one way alone": (
        rule("m = m + g\nif lr > 0:\n    u = m", returns="u, m" + HERE),
        "returns 'u', which has a value on one way through an `if` and none on another",
    ),
    "an expression that is returned": (
        rule("m = m + g", returns="lr * m, m" + HERE),
        "must return names, such as `return p, m, v`; assign first",
    ),
    "a local name that is returned": (
        rule("m = m + g\nd = 2 * m" + STEP, returns="u, m, d" + HERE),
        "returns 'd', which is neither a stream nor a state",
    ),
    "a setting that is returned": (
        rule("m = m + g" + STEP, returns="u, m, lr" + HERE),
        "returns 'lr', which is neither a stream nor a state",
    ),
    "nothing": (
        rule("m = m + g", returns=HERE.strip()),
        "must end with `return` and the new values",
    ),
    "a stage that changes g and keeps it to itself": (
        stage("g = 2 * g\np = p - g", takes="p, g", returns="p" + HERE),
        "'g' is never returned",
    ),
    "a stage that changes p and keeps it to itself": (
        stage("p = 2 * p", takes="p, g", returns="g" + HERE),
        "'p' is never returned",
    ),
    "a stage that changes the step and keeps it to itself": (
        stage("u = 2 * u\np = p - u", takes="p, u", returns="p" + HERE),
        "'u' is never returned",
    ),
    "a stage that gives another part's setting a value": (
        stage(f"lr = 2 * lr{HERE}\nu = lr * u", takes="u, lr"),
        "'lr' is given, and cannot be assigned; use another name",
    ),
}

TABLES = (NAMES, CALLS, STATEMENTS, SIGNATURES, RETURNED)
IN_A_LINE = {what: one for table in TABLES for what, one in table.items()}


@pytest.mark.parametrize("mistake", IN_A_LINE)
def test_a_mistake_is_named_where_it_stands(mistake, tmp_path):
    assert_named(IN_A_LINE[mistake], tmp_path)


def test_no_mistake_is_listed_twice():
    assert len(IN_A_LINE) == sum(map(len, TABLES))


def test_source_that_cannot_be_read_is_said_so():
    text = "class Typed(Rule):\n    def update(p, g): return p"
    with pytest.raises(TypeError, match=r"Typed\.update: its source cannot be read; write it in a"):
        exec(text, {"Rule": Rule})
