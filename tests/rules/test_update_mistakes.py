"""What an `update` may not say: caught when its class body ends, by name, line and hint."""

import pytest

from tests.rules.mistakes import declare, rule
from thalweg.rule import Rule

IMPORT_IT = "import it from thalweg.elementwise"
# the mistake -> the function at fault, the declaration (`# <-` is on the line to quote), the words
IN_A_LINE = {
    "an unknown name in the signature": (
        "Broken.update",
        """
        class Broken(Rule):
            momentum: float = 0.9

            @staticmethod
            def update(p, g, momentun):  # <-
                p = p - momentun * g
                return p
        """,
        "unknown name 'momentun'; did you mean 'momentum'?",
    ),
    "an unknown name further down a long signature": (
        "Broken.update",
        """
        class Broken(Rule):
            momentum: float = 0.9

            @staticmethod
            def update(
                p,
                g,
                momentun,  # <-
            ):
                p = p - momentun * g
                return p
        """,
        "unknown name 'momentun'; did you mean 'momentum'?",
    ),
    "a short unknown name, whose letter is also in @staticmethod": (
        "Broken.update",
        """
        class Broken(Rule):
            @staticmethod
            def update(p, g, t):  # <-
                p = p - g / t
                return p
        """,
        "unknown name 't'; known are p, g",
    ),
    "self": (
        "Broken.update",
        """
        class Broken(Rule):
            def update(self, p, g):  # <-
                p = p - g
                return p
        """,
        "unknown name 'self'",
    ),
    "an unknown name in the body": (
        "Broken.update",
        rule("m = m + grad  # <-\np = p - lr * m"),
        "unknown name 'grad'",
    ),
    "a misspelt name in the body": (
        "Broken.update",
        rule("buffer = m + g\nm = bufer  # <-\np = p - lr * m"),
        "unknown name 'bufer'; did you mean 'buffer'?",
    ),
    "a setting that the signature does not take": (
        "Broken.update",
        rule("m = m + g\np = p - lr * m  # <-", takes="p, g, m"),
        "unknown name 'lr'",
    ),
    "a name that is given a value only later": (
        "Broken.update",
        rule("p = p - lr * u  # <-\nu = m + g\nm = u"),
        "unknown name 'u'",
    ),
    "a function that is not elementwise": (
        "Broken.update",
        rule("m = tanh(g)  # <-\np = p - lr * m"),
        f"unknown name 'tanh'; known are sqrt, exp, log, abs, sign, maximum, minimum, where, lerp; "
        f"{IMPORT_IT}",
    ),
    "a misspelt function": (
        "Broken.update",
        rule("m = sqrrt(g)  # <-\np = p - lr * m"),
        f"unknown name 'sqrrt'; did you mean 'sqrt'?; {IMPORT_IT}",
    ),
    "the builtin abs": (
        "Broken.update",
        rule("m = abs(g)  # <-\np = p - lr * m"),
        f"abs is not the function of thalweg.elementwise; {IMPORT_IT}",
    ),
    "math's function": (
        "Broken.update",
        rule("m = math.sqrt(g)  # <-\np = p - lr * m"),
        f"math.sqrt is not a function of thalweg.elementwise; {IMPORT_IT}",
    ),
    "NumPy's function": (
        "Broken.update",
        rule("m = np.sqrt(g)  # <-\np = p - lr * m"),
        f"np.sqrt is not a function of thalweg.elementwise; {IMPORT_IT}",
    ),
    "arguments by keyword": (
        "Broken.update",
        rule("m = maximum(m, b=g)  # <-\np = p - lr * m"),
        "maximum takes its arguments by position",
    ),
    "more arguments than the function takes": (  # NumPy would write into the second one
        "Broken.update",
        rule("m = sqrt(g, g)  # <-\np = p - lr * m"),
        "sqrt takes",
    ),
    "fewer arguments than the function takes": (
        "Broken.update",
        rule("m = where(g > 0, g)  # <-\np = p - lr * m"),
        "where takes",
    ),
    "a state that is never returned": (
        "Broken.update",
        """
        class Broken(Rule):
            m = state("exp_avg")

            @staticmethod
            def update(p, g, m):
                m = m + g
                p = p - m
                return p  # <-
        """,
        "'m' is never returned",
    ),
    "a state returned under another name": (
        "Broken.update",
        """
        class Broken(Rule):
            buffer = state("momentum_buffer")

            @staticmethod
            def update(p, g, buffer):
                buffer2 = buffer + g
                p = p - buffer2
                return p, buffer2  # <-
        """,
        "'buffer' is never returned, did you mean it by 'buffer2'?",
    ),
    "p that is not returned": (
        "Broken.update",
        rule("m = m + g", takes="p, g, m", returns="m  # <-"),
        "'p' is never returned",
    ),
    "an expression that is returned": (
        "Broken.update",
        rule("m = m + g", returns="p - lr * m, m  # <-"),
        "must return names, such as `return p, m, v`; assign first",
    ),
    "a result that is no argument": (
        "Broken.update",
        rule("m = m + g\nu = lr * m\np = p - u", returns="p, m, u  # <-"),
        "returns 'u', which it does not take",
    ),
    "a setting that is returned": (
        "Broken.update",
        rule("m = m + g\np = p - lr * m", returns="p, m, lr  # <-"),
        "'lr'",
    ),
    "no return": (
        "Broken.update",
        """
        class Broken(Rule):
            @staticmethod
            def update(p, g):
                p = p - g  # <-
        """,
        "must end with `return` and the new values",
    ),
    "an `if` that differs from element to element": (
        "Broken.update",
        rule("m = m + g\nif m > 0:  # <-\n    p = p - lr * m"),
        "`if` on 'm', which differs from element to element; use where(condition, a, b)",
    ),
    "an `if` on something computed from elements": (
        "Broken.update",
        rule("large = m * m\nm = g\nif lr * large > 1:  # <-\n    p = p - lr * m"),
        "`if` on 'large', which differs from element to element; use where(condition, a, b)",
    ),
    "an if-expression on elements": (
        "Broken.update",
        rule("m = m + g\np = p - (m if g > 0 else lr)  # <-"),
        "`if` on 'g', which differs from element to element; use where(condition, a, b)",
    ),
    "an `if` on the mean of a row": (
        "Broken.update",
        """
        class Broken(Rule):
            @measure("row", "mean")
            def mean(g):
                return g

            @staticmethod
            def update(p, g, mean):
                if mean > 0:  # <-
                    p = p - g
                return p
        """,
        "`if` on 'mean', which differs from element to element; use where(condition, a, b)",
    ),
    "`and` on elements": (
        "Broken.update",
        rule("m = where(g > 0 and m > 0, g, m)  # <-\np = p - lr * m"),
        "`and`/`or` on elements; use where(condition, a, b)",
    ),
    "`or` on elements": (
        "Broken.update",
        rule("m = where(g > 0 or lr > 0, g, m)  # <-\np = p - lr * m"),
        "`and`/`or` on elements; use where(condition, a, b)",
    ),
    "`not` on elements": (  # an array has no truth value
        "Broken.update",
        rule("m = where(not g > 0, g, m)  # <-\np = p - lr * m"),
        "where(condition, a, b)",
    ),
    "a chain of comparisons on elements": (  # Python reads an `and` into it
        "Broken.update",
        rule("m = where(0 < g < 1, g, m)  # <-\np = p - lr * m"),
        "where(condition, a, b)",
    ),
    "an early return": (
        "Broken.update",
        rule("if lr > 0:\n    return p, m  # <-\nm = g"),
        "may only return at its end",
    ),
    "a `for` loop": (
        "Broken.update",
        rule("for _ in range(3):  # <-\n    m = m + g"),
        "'for' is not an assignment or an `if`",
    ),
    "a `while` loop": (
        "Broken.update",
        rule("while lr > 0:  # <-\n    m = m + g"),
        "'while' is not an assignment or an `if`",
    ),
    "a call for its own sake": (
        "Broken.update",
        rule("print(m)  # <-"),
        "`print(m)` gives no name a value; what stands here must be `name = ...` or an `if`",
    ),
    "two assignments in one": (
        "Broken.update",
        rule("m, p = g, p - g  # <-"),
        "assigns to something other than a name",
    ),
    "an assignment to an element": (
        "Broken.update",
        rule("m[0] = g  # <-"),
        "assigns to something other than a name",
    ),
    "an augmented assignment": (  # on an array it would change the caller's own, `g` among them
        "Broken.update",
        rule("u = g\nu *= lr  # <-\nm = u\np = p - u"),
        "in place",
    ),
    "an assignment to a setting": (
        "Broken.update",
        rule("lr = 2 * lr  # <-\nm = g\np = p - lr * m"),
        "'lr' is given, and cannot be assigned; use another name",
    ),
    "an attribute": (
        "Broken.update",
        rule("m = m + g.real  # <-\np = p - lr * m"),
        "Attribute is not arithmetic on elements",
    ),
    "an index": (
        "Broken.update",
        rule("m = m + g[0]  # <-\np = p - lr * m"),
        "Subscript is not arithmetic on elements",
    ),
    "a product of matrices": (
        "Broken.update",
        rule("m = m + g @ g  # <-\np = p - lr * m"),
        "is not arithmetic on elements",
    ),
    "an unknown name in a measure": (
        "Broken.mean",
        """
        class Broken(Stage):
            @measure("row", "mean")
            def mean(g):
                return grad  # <-

            @staticmethod
            def update(g, mean):
                g = g - mean
                return g
        """,
        "unknown name 'grad'",
    ),
    "a stage that changes g and keeps it to itself": (
        "Broken.update",
        """
        class Broken(Stage):
            @staticmethod
            def update(p, g):
                g = 2 * g
                return p  # <-
        """,
        "'g' is never returned",
    ),
    "a stage that changes p and keeps it to itself": (
        "Broken.update",
        """
        class Broken(Stage):
            @staticmethod
            def update(p, g):
                p = 2 * p
                return g  # <-
        """,
        "'p' is never returned",
    ),
}


@pytest.mark.parametrize("mistake", IN_A_LINE)
def test_a_mistake_is_named_where_it_stands(mistake, tmp_path):
    function, text, says = IN_A_LINE[mistake]
    with pytest.raises(TypeError) as caught:
        declare(text, tmp_path)
    lines = (tmp_path / "mistakes.py").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if "# <-" in line)
    place, _, rest = str(caught.value).partition(": ")
    message, _, quoted = rest.partition("\n")
    assert place == f"{function}, line {at + 1} of mistakes.py"
    assert says in message
    assert quoted == "    " + lines[at].strip()


def test_source_that_cannot_be_read_is_said_so():
    text = "class Typed(Rule):\n    def update(p, g): return p"
    with pytest.raises(TypeError, match=r"Typed\.update: its source cannot be read; write it in a"):
        exec(text, {"Rule": Rule})
