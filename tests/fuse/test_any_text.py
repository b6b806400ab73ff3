"""Any small text is refused by a sentence when it is declared, or runs fused as it is written."""

from __future__ import annotations

import re
from random import Random
from textwrap import indent

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import thalweg.optim as optim
from tests.fuse.texts import DECLARED, Writer
from tests.rules.mistakes import declare
from thalweg.chain import Chain, chain

FUNCTIONS = """\
from thalweg.elementwise import abs as absolute, atan2, cbrt, cos, exp, floor, log, minimum, sign
from thalweg.elementwise import tanh
from thalweg.matrices import first_columns, laid, row_lengths, tall

HALF = 0.5


def half(a, b):
    return 0.5 * (a + b)


def angle(a, b):
    return atan2(a, 1 + absolute(b))


def hypotenuse(a, b):
    c = a * a
    c = c + b * b
    return sqrt(c)


"""
STEPS, DATA = 3, 3
SENTENCE = re.compile(r"(Broken|half|angle|hypotenuse)\b.*, line \d+ of mistakes\.py: .{10}")
SENTENCE = re.compile(r"(Broken|half|angle|hypotenuse)\b.*, line \d+ of mistakes\.py: .{10}")
SHAPES = {False: [(4, 3), (5,), (2, 2, 2)], True: [(4, 3), (2, 2)]}


def text_of(writer: Writer) -> str:
    """The class around a body: what it takes is declared."""
    body = [*writer.lines(), f"return {', '.join(writer.returned)}"]
    taken = [one for one in DECLARED.splitlines() if one.split()[0].rstrip(":") in writer.arguments]
    head = [*taken, "@staticmethod", f"def update({', '.join(writer.arguments)}):"]
    lines = indent("\n".join(head), "    ") + "\n" + indent("\n".join(body), " " * 8)
    return f"{FUNCTIONS}class Broken(Rule):\n{lines}"


def walked(made: Chain, shapes: list[tuple[int, ...]], seed: int, plainly: bool):
    """The weights and states after some steps; or the sentence that a step ends with."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    params = [normal(shape) for shape in shapes]
    opt = optim.optimizer(made)(params, differentiable=plainly)
    try:
        for _ in range(STEPS):
            for p in params:
                p.grad = normal(tuple(p.shape))
            opt.step()
    except ArithmeticError as error:
        return str(error)
    kept = [held[key] for held in map(opt.state.get, params) for key in sorted(held or ())]
    return params + [torch.as_tensor(one, dtype=torch.float64) for one in kept]


def difference(fused: list[torch.Tensor], plain: list[torch.Tensor]) -> str:
    """Where two walks differ by more than roundings make; empty, if nowhere."""
    for a, b in zip(fused, plain, strict=True):
        largest = b[b.isfinite()].abs().max().item() if b.isfinite().any() else 0.0
        if not torch.allclose(a, b.reshape(a.shape), 1e-6, 1e-6 * max(1, largest), equal_nan=True):
            return f"{a.tolist()}\n{b.tolist()}"
    return ""


def verdict(made: Chain, on_matrices: bool, seed: int) -> str:
    """What is wrong with the fused steps on these data."""
    fused, plain = (walked(made, SHAPES[on_matrices], seed, plainly) for plainly in (False, True))
    if (
        isinstance(plain, str) and "by zero" in plain
    ):  # of whole numbers, which a pass does not know
        return ""
    if isinstance(fused, str) or isinstance(plain, str):
        return "" if type(fused) is type(plain) else f"{fused}\n{plain}"
    return difference(fused, plain)


@pytest.mark.slow
@pytest.mark.parametrize("on_matrices", [False, True])
@given(seed=st.integers(0, 2**32))
def test_a_text_is_refused_by_a_sentence_or_runs_as_it_is_written(
    on_matrices, seed, tmp_path_factory
):
    text = text_of(Writer(Random(seed), on_matrices=on_matrices))
    try:
        made = chain("Drawn", declare(text, tmp_path_factory.mktemp("drawn"))["Broken"])
    except TypeError as refusal:
        is_sentence = SENTENCE.match(str(refusal))
        assert is_sentence, f"{text}\n{refusal}"  # noqa: PT017
        return
    # a rounding may decide an `if` or a sign: of one set of data, and not of three
    verdicts = [verdict(made, on_matrices, 0)]
    for data in range(1, DATA):
        if not verdicts[-1]:
            break
        verdicts.append(verdict(made, on_matrices, data))
    assert not verdicts[-1], f"{text}\n{verdicts[0]}"
