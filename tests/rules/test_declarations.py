"""What a rule or a stage may declare, and what is refused when its class body ends."""

import pytest

from tests.fuse.sameness import same
from tests.rules.mistakes import declare, rule
from thalweg.reductions import norm
from thalweg.rule import Rule, Stage, setting, state
from thalweg.stages import Decay, DecoupledDecay

PLAIN = "m = g\nu = lr * m"

IN_A_CLASS = {
    "no update": (
        "class Broken(Rule):\n    lr: float = 0.1",
        "Broken declares no update(p, g, ...)",
    ),
    "an update that is a number": (
        "class Broken(Rule):\n    update = 3",
        "Broken.update must be a function, `@staticmethod` above its `def`, got 3",
    ),
    "an update that is a lambda": (
        "class Broken(Rule):\n    update = staticmethod(lambda p, g: p)",
        "Broken.update: must be written with `def`, on lines of its own",
    ),
    "a state called p": (
        'class Broken(Rule):\n    p = state("parameter")\n    def update(p, g): return p',
        "Broken: 'p' is the name of a stream; choose another",
    ),
    "a setting called g": (
        "class Broken(Rule):\n    g: float = 1.0\n    def update(p, g): return p",
        "Broken: 'g' is the name of a stream; choose another",
    ),
    "a setting called u": (
        rule(PLAIN, above="u: float = 1.0"),
        "Broken: 'u' is the name of a stream; choose another",
    ),
    "a setting called t": (
        rule(PLAIN, above="t: int = 1"),
        "Broken: 't' is the name of what every text may take; choose another",
    ),
    "a state called first": (
        rule(PLAIN, above='first = state("first")'),
        "Broken: 'first' is the name of what every text may take; choose another",
    ),
    "a state per nothing that there is": (
        rule(PLAIN, above='b = state("b", per="tensors")'),
        "state('b'): per: unknown name 'tensors'; did you mean 'tensor'?",
    ),
    "a state per two things": (
        rule(PLAIN, above='b = state("b", per=("rows", 3))'),
        "state('b'): per must be one of element, row, column, tensor, all, or two sides, "
        "got ('rows', 3)",
    ),
    "one number that starts as the parameter": (
        rule(PLAIN, above='b = state("b", start="p", per="all")'),
        """state('b'): start="p" is for a state per element, got per='all'""",
    ),
    "a key that is a number": (
        rule(PLAIN, above="b = state(3)"),
        'state(3): its key must be text, such as state("exp_avg")',
    ),
    "two states under one key": (
        rule("m = g\nu = b", "g, m, b", above='b = state("exp_avg")'),
        "Broken: the states 'm' and 'b' are both kept under 'exp_avg'; give each a key of its own",
    ),
    "a state that update does not know": (
        rule(PLAIN, above='b = state("b")'),
        "Broken: update neither takes nor returns the state 'b'",
    ),
    "a bound that is text": (
        rule(PLAIN, above='wd: float = setting(0.1, low="0")'),
        "setting(0.1): low must be a number, got '0'",
    ),
    "one bound for two numbers": (
        rule(PLAIN, above="betas: tuple = setting((0.9, 0.99), below=(1,))"),
        "setting((0.9, 0.99)): below has 1 bounds for 2 numbers",
    ),
    "a default that is not among the choices": (
        rule(PLAIN, above='mode: str = setting("fast", choices=("slow",))'),
        "Broken.mode: its default must be one of 'slow', got 'fast'",
    ),
    "a default out of its range": (
        rule(PLAIN, above="wd: float = setting(-1.0, low=0)"),
        "Broken.wd: its default must be >= 0, got -1.0",
    ),
    "several numbers, one of them text": (
        rule(PLAIN, above='betas: tuple = (0.9, "0.99")'),
        "Broken.betas: its default[1] must be a number, got '0.99'",
    ),
}


@pytest.mark.parametrize("mistake", IN_A_CLASS)
def test_a_mistake_outside_of_update_is_named_as_well(mistake, tmp_path):
    text, says = IN_A_CLASS[mistake]
    with pytest.raises((TypeError, ValueError)) as caught:
        declare(text, tmp_path)
    assert str(caught.value) == says


# what looks odd, and is fine -> the declaration
FINE = {
    "`pass`": rule("pass\n" + PLAIN),
    "a side that does nothing": rule("m = g\nif lr > 0:\n    pass\nelse:\n    m = 2 * g\nu = m"),
    "a number on one side alone": rule(
        "c = 1.0\nif lr > 0:\n    pass\nelse:\n    c = 2 * lr\nm = c * g\nu = m"
    ),
    "an `if` that does nothing": rule("m = g\nif norm(g) > 0:\n    pass\nu = m"),
    "a docstring, further left than its function": rule("m = g\nu = lr * m", above="").replace(
        "        m = g", '        """A docstring\nthat goes on.\n"""\n        m = g'
    ),
    "types of arguments": rule(PLAIN, takes="g: object, m: object, lr: float"),
    "arguments by name alone": rule(PLAIN, takes="g, m, *, lr"),
    "two targets": rule("a = b = g\nm = a + b\nu = m"),
    "two values for two names": rule("a, b = g, 2 * g\nm = a + b\nu = m"),
    "names of Python's own": rule("bool = lr\nm = bool * g\nif lr > 0:\n    m = 2 * m\nu = m"),
    "a name like a reduction's": rule("norm1 = 2 * norm(g)\nm = g / norm1\nu = m"),
    "a name like a function's own": rule(
        "of1_x = lr\nm = of(g) * of1_x\nu = m", first="def of(x):\n    x = x + 1\n    return x"
    ),
    "where on a choice": rule(
        'm = where(mode == "fast", g, 2 * g)\nu = m',
        "g, m, mode",
        above='mode: str = setting("fast", choices=("fast", "slow"))',
    ),
    "a choice and elements": rule(
        'm = where((mode == "slow") | (g > 0), g, 2 * g)\nu = m',
        "g, m, mode",
        above='mode: str = setting("fast", choices=("fast", "slow"))',
    ),
    "a choice and a measured number": rule(
        'm = 2 * g if norm(g) > 0.1 and mode == "fast" else g\nu = m',
        "g, m, mode",
        above='mode: str = setting("fast", choices=("fast", "slow"))',
    ),
    "a switch and elements": rule(
        "m = where(late & (g > 0), g, 2 * g)\nu = m", "g, m, late", above="late: bool = True"
    ),
    "a switch and elements, on one side of what is measured": rule(
        "m = g\nif norm(g) > 0.1:\n    m = where(late & (g > 0), g, 2 * g)\nu = m",
        "g, m, late",
        above="late: bool = True",
    ),
    "NumPy's numbers": rule(
        "c = lr * SIZE + COUNT\nm = c * HALF * g\nu = m",
        first="SIZE = np.float64(3)\nCOUNT = np.int64(2)\nHALF = np.float32(0.5)",
    ),
    "NaN and infinity": rule(
        "c = lr * NAN\nm = where(c < FAR, 0.0, g)\nu = m",
        first='NAN = float("nan")\nFAR = math.inf',
    ),
    "the largest of a row's number": rule('m = g / (1 + largest(norm(g, "row")))\nu = m'),
}


@pytest.mark.parametrize("what", FINE)
def test_what_looks_odd_and_is_fine_means_the_same_compiled(what, tmp_path):
    made = declare(FINE[what], tmp_path)
    same(made["Broken"])


def test_a_number_that_settings_make_impossible_is_named_with_its_line(tmp_path):
    made = declare(rule("c = 1 / (lr - lr)\nm = c * g\nu = m"), tmp_path)
    with pytest.raises(ZeroDivisionError) as caught:
        same(made["Broken"])
    assert str(caught.value) == (
        "Broken.update: float division by zero in `c = 1 / (lr - lr)`, with these settings"
    )


def test_a_state_that_was_set_to_one_number_is_reduced_as_an_array_of_it(tmp_path):
    same(declare(rule("m = lr\nu = g / sum(m)"), tmp_path)["Broken"])


def test_what_a_declaration_collects():
    class Whole(Rule):
        lr: float = setting(0.1, low=0)
        nesterov: bool = False
        m = state("exp_avg")
        c = state("count", per="all")

        @staticmethod
        def update(g, m, c, lr, nesterov):
            m = g / norm(g)
            c = c + 1
            u = lr * (m + g) if nesterov else lr * m
            return u, m, c

    d = Whole.declaration
    assert list(d.settings) == ["lr", "nesterov"]
    assert list(d.states) == ["m", "c"]
    assert list(d.arrays) == ["m"]
    assert list(d.cells) == ["c"]
    assert [(one.kind, one.over) for one in Whole.text.reduced] == [("norm", "tensor")]
    assert d.needs == []


def test_what_a_stage_takes_and_nobody_declares_is_another_part_s():
    class Scaled(Stage):
        @staticmethod
        def update(u, lr, betas):
            b1, _ = betas
            u = lr * b1 * u
            return u

    assert Scaled.declaration.needs == ["lr", "betas"]
    assert Scaled.declaration.settings == {}


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
