"""What a rule or a stage may not say: caught when its class body ends, by name, line and hint."""

from textwrap import dedent

import pytest

from thalweg.rule import Rule, Stage, measure, setting, state
from thalweg.stages import Decay, DecoupledDecay

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
        "'expr' is not an assignment or an `if`",
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


IN_A_CLASS = {
    "no update": (
        "class Broken(Rule):\n    lr: float = 0.1",
        "Broken declares no update(p, g, ...)",
    ),
    "a state called p": (
        'class Broken(Rule):\n    p = state("parameter")\n    def update(p, g): return p',
        "Broken: 'p' is the name of a stream; choose another",
    ),
    "a setting called g": (
        "class Broken(Rule):\n    g: float = 1.0\n    def update(p, g): return p",
        "Broken: 'g' is the name of a stream; choose another",
    ),
    "a measure over an unknown scope": (
        'class Broken(Rule):\n    @measure("rows", "mean")\n    def m(g): return g',
        "measure: unknown name 'rows'; did you mean 'row'?",
    ),
    "a measure with an unknown reduction": (
        'class Broken(Rule):\n    @measure("row", "median")\n    def m(g): return g',
        "measure: unknown name 'median'; did you mean 'mean'?",
    ),
    "a scalar state that `scalars` forgets": (
        """
        class Broken(Rule):
            mu = scalar_state("mu_product", start=1.0)
            def scalars(mu): return dict(next_mu=0.9 * mu)
            def update(p, g, next_mu):
                p = p - next_mu * g
                return p
        """,
        "Broken.scalars must return the scalar state 'mu'",
    ),
    "an unknown argument of `scalars`": (
        """
        class Broken(Rule):
            mu = scalar_state("mu_product", start=1.0)
            def scalars(h, muu): return dict(mu=muu)
            def update(p, g): return p
        """,
        "Broken.scalars: unknown name 'muu'; did you mean 'mu'?",
    ),
    "an unknown argument of a switch": (
        "class Broken(Rule):\n    @switch\n    def wide(h, shap): return len(shap) > 1",
        "switch wide: unknown name 'shap'; did you mean 'shape'?",
    ),
    "`when=` that names nothing": (
        """
        class Broken(Rule):
            heavy: bool = False
            b = state("momentum_buffer", when="heavvy")
            def update(p, g, b):
                p = p - g
                return p, b
        """,
        "Broken.b: when= names a switch; unknown name 'heavvy'; did you mean 'heavy'?",
    ),
    "`when=` that changes from step to step": (
        """
        class Broken(Rule):
            b = state("momentum_buffer", when="late")
            @switch
            def late(h, t): return t > 3
            def update(p, g, b):
                p = p - g
                return p, b
        """,
        "Broken.b: when='late' must depend on the settings alone, not on h, t",
    ),
}


@pytest.mark.parametrize("mistake", IN_A_CLASS)
def test_a_mistake_outside_of_update_is_named_as_well(mistake, tmp_path):
    text, says = IN_A_CLASS[mistake]
    with pytest.raises(TypeError) as caught:
        declare(text, tmp_path)
    assert str(caught.value) == says


NAMES_THE_CULPRIT = {
    "a state that update neither takes nor returns": (
        'class Broken(Rule):\n    m = state("exp_avg")\n    def update(p, g): return p',
        "'m'",
    ),
    "a scalar with the name of a state": (
        """
        class Broken(Rule):
            m = state("exp_avg")
            def scalars(h): return dict(m=1.0)
            def update(p, g, m):
                m = m + g
                return p, m
        """,
        "'m'",
    ),
    "a scalar with the name of a stream": (
        """
        class Broken(Rule):
            def scalars(h): return dict(g=1.0)
            def update(p, g):
                p = p - g
                return p
        """,
        "'g'",
    ),
    "a measure that uses one declared below it": (
        """
        class Broken(Rule):
            @measure("row", "norm")
            def size(g, mean):
                return g - mean
            @measure("row", "mean")
            def mean(g):
                return g
            def update(p, g, size):
                p = p - g / size
                return p
        """,
        "'mean'",
    ),
    "a measure that uses itself": (
        """
        class Broken(Rule):
            @measure("tensor", "norm")
            def size(g, size):
                return g / size
            def update(p, g, size):
                p = p - g / size
                return p
        """,
        "'size'",
    ),
    "a measure that is a lambda": (
        """
        class Broken(Rule):
            size = measure("row", "norm")(lambda g: g)
            def update(p, g, size):
                p = p - g / size
                return p
        """,
        "size",
    ),
}


@pytest.mark.parametrize("mistake", NAMES_THE_CULPRIT)
def test_a_declaration_that_could_not_work_is_refused(mistake, tmp_path):
    text, culprit = NAMES_THE_CULPRIT[mistake]
    with pytest.raises(TypeError, match=f"Broken.*{culprit}"):
        declare(text, tmp_path)


def test_source_that_cannot_be_read_is_said_so():
    text = "class Typed(Rule):\n    def update(p, g): return p"
    with pytest.raises(TypeError, match=r"Typed\.update: its source cannot be read; write it in a"):
        exec(text, {"Rule": Rule})


def test_what_a_declaration_collects():
    class Whole(Rule):
        lr: float = setting(0.1, low=0)
        nesterov: bool = False
        m = state("exp_avg")

        @measure("tensor", "norm")
        def size(g):
            return g

        @staticmethod
        def update(p, g, m, lr, size, nesterov):
            m = g / size
            p = p - lr * (m + g) if nesterov else p - lr * m
            return p, m

    d = Whole.declaration
    assert list(d.settings) == ["lr", "nesterov"]
    assert list(d.states) == ["m"]
    assert list(d.measures) == ["size"]
    assert d.static == ["nesterov"]
    assert d.numbers == ["lr"]


def test_a_rule_has_the_settings_that_it_declares_and_no_others():
    class Bare(Rule):
        @staticmethod
        def update(p, g):
            p = p - g
            return p

    assert Bare.declaration.settings == {}


def test_a_stage_need_not_return_what_it_only_reads():
    class Average(Stage):
        e = state("ema")

        @staticmethod
        def update(p, e):
            e = 0.9 * e + 0.1 * p
            return e

    assert list(Average.declaration.states) == ["e"]


def test_a_subclass_keeps_what_it_does_not_declare_again():
    assert DecoupledDecay.update is Decay.update
    assert DecoupledDecay.declaration.settings["decoupled_weight_decay"].default is True
    assert Decay.declaration.settings["decoupled_weight_decay"].default is False
    same = DecoupledDecay.declaration.settings["weight_decay"]
    assert same == Decay.declaration.settings["weight_decay"]
