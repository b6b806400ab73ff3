"""What an `update` may not say: caught when its class body ends, by name, line and hint."""

import pytest

from tests.rules.mistakes import declare, rule, stage
from thalweg.rule import Rule

# the line that is at fault in a table below ends with this
HERE = "  # <-"
STEP = "\nu = lr * m"
BETAS = "betas: tuple[float, float] = (0.9, 0.99)"
MODE = 'mode: str = setting("fast", choices=("fast", "slow"))'
WITH_BETAS = dict(takes="g, m, lr, betas", above=BETAS)
WITH_MODE = dict(takes="g, m, lr, mode", above=MODE)
PER_TENSOR = dict(takes="g, m, lr, c", returns="u, m, c", above='c = state("count", per="tensor")')
FOR_ALL = dict(takes="g, m, lr, c", returns="u, m, c", above='c = state("count", per="all")')
USE_WHERE = "use where(condition, a, b)"
WORDS = "sqrt, exp, log, abs, sign, maximum, minimum, where, lerp, sum, mean, norm, largest"


def line(text, *more, **settings):
    """A rule whose first line is at fault."""
    return rule("\n".join([text + HERE, *more]) + STEP, **settings)


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
    "an unknown word": (line("m = tanh(g)"), f"unknown name 'tanh'; known are {WORDS}"),
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
        line("m = np.tanh(g)"),
        f"np.tanh is no word of the language; known are {WORDS}",
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
    "over a column, which no engine takes": (
        line('m = g - mean(g, "column")'),
        "mean over 'column', which no engine takes yet; 'row' is there",
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
    "a product of matrices": (
        line("m = g @ g"),
        "`a @ b` is not arithmetic on elements, such as + - * / // % **",
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

TABLES = (NAMES, CALLS, KINDS, REDUCTIONS, STATEMENTS, SIGNATURES, RETURNED)
IN_A_LINE = {what: one for table in TABLES for what, one in table.items()}


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


@pytest.mark.parametrize("mistake", IN_A_LINE)
def test_a_mistake_is_named_where_it_stands(mistake, tmp_path):
    text, says = IN_A_LINE[mistake]
    place, message = told(text, tmp_path)
    assert place == "Broken.update"
    assert message.endswith(says)


def test_no_mistake_is_listed_twice():
    assert len(IN_A_LINE) == sum(map(len, TABLES))


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


def test_source_that_cannot_be_read_is_said_so():
    text = "class Typed(Rule):\n    def update(p, g): return p"
    with pytest.raises(TypeError, match=r"Typed\.update: its source cannot be read; write it in a"):
        exec(text, {"Rule": Rule})
