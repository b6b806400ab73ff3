"""What an author of a rule is told: what is wrong there, and what to write."""

import pytest

from tests.rules.mistakes import declare, rule
from thalweg import rules
from thalweg.chain import chain

STATIC = "@staticmethod\n"


def of(argument, above=""):
    """A rule whose `update` takes one more argument."""
    body = f"m = m + g\np = p - lr * {argument} * m"
    return rule(body, takes=f"p, g, m, lr, {argument}", above=above)


def with_scalars(takes, returns, above=""):
    """A rule with one measure, one switch and these `scalars`."""
    more = (
        '@measure("tensor", "norm")\n'
        "def size(g):\n"
        "    return g\n"
        "@switch\n"
        "def late(h, t):\n"
        "    return t > 3\n"
        f"{STATIC}"
        f"def scalars({takes}):\n"
        f"    return {returns}"
    )
    return rule("m = g / size if late else g", takes="p, g, m, lr, size, late", above=above + more)


GIVEN = "unknown name {!r}; known are p, g, m, lr; "
TO_SCALARS = "is given to scalars: return what depends on it there, such as"

# what is declared -> how the sentence about it goes on after its place
SAID = {
    "several numbers in update": (
        of("betas", "betas: tuple[float, float] = (0.9, 0.99)"),
        "'betas' is 2 numbers; take them apart in scalars, `b1, b2 = h.betas` and "
        "`return dict(b1=b1, b2=b2)`, and take b1, b2 here",
    ),
    "h in update": (
        of("h"),
        GIVEN.format("h") + "h is for scalars and switches: take each setting by its name, "
        "or return what is worked out of them from scalars",
    ),
    "t in update": (
        of("t"),
        GIVEN.format("t") + f"t {TO_SCALARS} `dict(c=1 - h.decay**t)`, and take c here",
    ),
    "first in update": (
        of("first"),
        GIVEN.format("first")
        + f"first {TO_SCALARS} `dict(keep=0.0 if first else h.momentum)`, and take keep here",
    ),
    "shape in update": (
        of("shape"),
        GIVEN.format("shape") + "shape is given to switches: declare one, such as `wide`, "
        "that returns `len(shape) > 1`, and take wide here",
    ),
    "self in update": (
        of("self"),
        GIVEN.format("self")
        + "update belongs to no instance: put @staticmethod above it, and leave self out",
    ),
    "a number without a type": (
        of("wd", "wd = 1e-4"),
        "'wd' is a plain attribute; as a setting it is written `wd: float = 0.0001`",
    ),
    "text without a type": (
        of("mode", 'mode = "fast"'),
        "'mode' is a plain attribute; as a setting it is written "
        "`mode: str = setting('fast', choices=('fast', ...))`",
    ),
    "a type without a number": (
        of("wd", "wd: float"),
        "'wd' has a type and no default; write `wd: float = ...` with one",
    ),
    "a function of one's own": (
        "def half(x):\n    return x / 2\n\n" + rule("m = half(g)\np = p - lr * m"),
        "half is a function of your own, which no engine can look into; write its lines here",
    ),
    "a measure of a local name": (
        rule(
            "d = g * g\nm = d / size",
            takes="p, g, m, lr, size",
            above='@measure("tensor", "norm")\ndef size(d):\n    return d',
        ),
        "'d' is a name inside update, which runs after its measures; "
        "write what it stands for into the measure",
    ),
    "a measure of the step": (
        rule(
            "m = g / size",
            takes="p, g, m, lr, size",
            above='@measure("tensor", "norm")\ndef size(g, t):\n    return g * t',
        ),
        GIVEN.format("t") + f"t {TO_SCALARS} `dict(c=1 - h.decay**t)`, and take c here",
    ),
    "text that is a setting without its choices": (
        of("mode", 'mode: str = "fast"'),
        "text needs the choices there are; write "
        "`mode: str = setting('fast', choices=('fast', ...))`",
    ),
    "setting of text without its choices": (
        of("mode", 'mode: str = setting("fast")'),
        "text needs the choices there are; write "
        "`mode: str = setting('fast', choices=('fast', ...))`",
    ),
    "a list of numbers": (
        of("b1", "betas: list = [0.9, 0.99]"),
        "several numbers are a tuple; write `betas: tuple[float, float] = (0.9, 0.99)`",
    ),
    "another default without the type": (
        "from thalweg.rules import Adam\n\nclass Broken(Adam):\n    lr = 1e-4",
        "a setting needs its type; write `lr: float = 0.0001`",
    ),
    "scalars that take a measure": (
        with_scalars("h, size", "dict(x=size)"),
        "'size' is a measure, known only after scalars have run; take it in update",
    ),
    "scalars that return a measure": (
        with_scalars("h", "dict(size=1.0)"),
        "returns 'size', which is a measure; return the number under another name",
    ),
    "scalars that return a state": (
        with_scalars("h", "dict(m=1.0)"),
        "returns 'm', which is a state; return the number under another name",
    ),
    "scalars that return a switch": (
        with_scalars("h", "dict(late=1.0)"),
        "returns 'late', which is a switch; return the number under another name",
    ),
    "scalars that take a state": (
        with_scalars("h, m", "dict(x=m)"),
        "'m' is an array, and scalars works with numbers; take it in update",
    ),
    "scalars that take a switch": (
        with_scalars("h, late", "dict(x=late)"),
        "'late' is a switch; take it in update",
    ),
    "scalars that take a setting": (
        with_scalars("lr", "dict(x=lr)"),
        "'lr' is a setting; take h and write h.lr",
    ),
    "scalars that take self": (
        with_scalars("self, h", "dict(x=h.lr)"),
        "unknown name 'self'; put @staticmethod above scalars, and leave self out",
    ),
    "scalars that ask for a plain attribute": (
        with_scalars("h", "dict(x=h.wd)", above="wd = 0.1\n"),
        "asks for h.wd: 'wd' is a plain attribute; as a setting it is written `wd: float = 0.1`",
    ),
    "scalars that ask for what is not there": (
        with_scalars("h", "dict(x=h.lrr)"),
        "asks for h.lrr: unknown name 'lrr'; did you mean 'lr'?",
    ),
    "scalars that return a number": (
        with_scalars("h", "0.5"),
        "must return a dict of numbers, such as `dict(step=h.lr)`, got 0.5",
    ),
}


@pytest.mark.parametrize("what", SAID)
def test_an_author_is_told_what_to_write(what, tmp_path):
    text, sentence = SAID[what]
    with pytest.raises(TypeError) as caught:
        declare(text, tmp_path)
    first_line = str(caught.value).splitlines()[0]
    assert first_line.startswith("Broken.")
    assert first_line.endswith((": " + sentence, "scalars " + sentence))


def test_a_whole_number_is_a_default_of_a_float_all_the_same(tmp_path):
    class Plain(rules.SGD):
        lr: float = 1

    assert type(Plain.declaration.settings["lr"].default) is float
    chain("Mine", Plain).check({"lr": 0.5})


def test_what_belongs_to_the_class_is_no_setting(tmp_path):
    declare(
        of("wd", "from typing import ClassVar\nkind: ClassVar[str] = 'one'\nwd: float = 0.1"),
        tmp_path,
    )


MINE = 'write chain("Mine", {})'
NO_NAME = "chain: its first argument must be the optimizer's name, got"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((rules.Adam,), f"{NO_NAME} Adam; {MINE.format('Adam')}"),
        ((None, rules.Adam), f"{NO_NAME} None; {MINE.format('Adam')}"),
        (("Mine",), "Mine: a chain must contain a rule, got no part at all"),
        (
            ("Mine", rules.Adam()),
            "Mine: a part must be a Rule or a Stage, got an instance of Adam; write it without ()",
        ),
        (
            ("Mine", dict),
            "Mine: a part must be a Rule or a Stage, got the class dict; "
            "thalweg.rules has the rules",
        ),
    ],
    ids=["no name", "None", "nothing", "an instance", "another class"],
)
def test_who_makes_a_chain_is_told_what_to_write(given, says):
    with pytest.raises(TypeError) as caught:
        chain(*given)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            dict(args=([], 1, 2, 3, 4, 5, 6)),
            "SGD: too many positional arguments, got 7; at most 6 may come by position, "
            "params, lr, momentum, dampening, weight_decay, nesterov; give the others by name",
        ),
        (
            dict(args=([], 0.1), lr=0.2),
            "SGD: lr is given by position and by name; give it once",
        ),
        (dict(args=()), "SGD: params is missing: what to optimize, such as model.parameters()"),
    ],
    ids=["too many", "twice", "none"],
)
def test_who_makes_an_optimizer_is_told_what_it_takes(arguments, says):
    optim = pytest.importorskip("thalweg.optim")
    by_name = {name: value for name, value in arguments.items() if name != "args"}
    with pytest.raises(TypeError) as caught:
        optim.SGD(*arguments["args"], **by_name)
    assert str(caught.value) == says
