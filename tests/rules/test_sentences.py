"""What an author of a rule is told: what is wrong there, and what to write."""

import pytest

from tests.rules.mistakes import declare, rule
from thalweg import rules
from thalweg.chain import chain


def of(argument, above=""):
    """A rule whose `update` takes one more argument."""
    return rule(f"m = m + g\nu = {argument} * m", takes=f"g, m, {argument}", above=above)


def kept(declared):
    """A rule with one more state."""
    return rule("m = g\nu = b", takes="g, m, b", above=f"b = {declared}")


GIVEN = "unknown name {!r}; known are p, g, u, lr, m; "
START = 'start must be a number, the name of a setting or "p", got '

# what is declared -> how the sentence about it goes on after its place
SAID = {
    "h in update": (of("h"), GIVEN.format("h") + "take each setting by its name"),
    "shape in update": (of("shape"), GIVEN.format("shape") + "take ndim, rows or columns"),
    "step in update": (of("step"), GIVEN.format("step") + "the number of the step is t"),
    "self in update": (
        of("self"),
        GIVEN.format("self")
        + "update belongs to no instance: put @staticmethod above it, and leave self out",
    ),
    "cls in update": (
        of("cls"),
        GIVEN.format("cls")
        + "update belongs to no class: put @staticmethod above it, and leave cls out",
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
    "a default that is no number": (
        of("wd", "wd: complex = 1j"),
        "'wd' has the default 1j, which is no number, tuple or truth value",
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
        of("betas", "betas: list = [0.9, 0.99]"),
        "several numbers are a tuple; write `betas: tuple[float, float] = (0.9, 0.99)`",
    ),
    "another default without the type": (
        "from thalweg.rules import Adam\n\nclass Broken(Adam):\n    lr = 1e-4",
        "a setting needs its type; write `lr: float = 0.0001`",
    ),
    "a start that names nothing": (
        kept('state("b", start="lrr")'),
        "start names a setting; unknown name 'lrr'; did you mean 'lr'?",
    ),
    "a start that is a function": (
        kept('state("b", start=lambda h: h.lr)'),
        f"{START}a function",
    ),
    "a start that is nothing": (kept('state("b", start=None)'), f"{START}None"),
    "a start that is an array": (
        kept('state("b", start=np.zeros(2))'),
        f"{START}array([0., 0.])",
    ),
    "a start of several numbers": (
        rule("m = g\nu = b", "g, m, b", above='to: tuple = (1, 2)\nb = state("b", start="to")'),
        "start='to' is not one number, but (1, 2)",
    ),
}


@pytest.mark.parametrize("what", SAID)
def test_an_author_is_told_what_to_write(what, tmp_path):
    text, sentence = SAID[what]
    with pytest.raises(TypeError) as caught:
        declare(text, tmp_path)
    first_line = str(caught.value).splitlines()[0]
    assert first_line.startswith("Broken.")
    assert first_line.endswith(": " + sentence)


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
