"""The reference of the book: a page for each optimizer and stage, whose code runs."""

import re
from html.parser import HTMLParser

import pytest

from scripts.draw_paths import kept, walked
from scripts.equations import rows, table
from scripts.formulas import Unreadable, formula
from scripts.reference import example, groups, pages
from thalweg.lab.listing import items
from thalweg.optimizers import OPTIMIZERS

ALL = items(("optimizers", "stages"))
OURS = [name for name in OPTIMIZERS if not any(rule.rows_only for rule in OPTIMIZERS[name].rules)]


def words(mathml: str) -> str:
    """What a reader sees of it, from left to right."""
    seen: list[str] = []
    reader = HTMLParser()
    reader.handle_data = seen.append
    reader.feed(mathml)
    return "".join(seen).replace("\xa0", "")


def blocks(item) -> list[str]:
    return [part for part in item.doc.split("\n\n") if part.startswith(" ")]


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return dict(pages())


def test_everything_of_the_registry_has_one_page_and_stands_in_the_menu_once(written):
    listed = [item.name for those in groups().values() for item in those]
    assert sorted(listed) == sorted(item.name for item in ALL)
    assert len(written) == len(ALL)


def test_a_page_says_what_to_call_and_to_set_and_what_is_kept_and_run(written):
    page = written["reference/Lion.md"]
    for told in ("optim.Lion(", "| `weight_decay` |", "| `exp_avg` |", "def update("):
        assert told in page


@pytest.mark.parametrize("name", OURS)
def test_the_example_of_a_page_runs(name):
    exec(compile(example(name), name, "exec"), {})


@pytest.mark.parametrize("name", ["LBFGS", "Adafactor", "SparseAdam"])
def test_the_example_of_one_for_torch_alone_runs(name):
    pytest.importorskip("torch")
    exec(compile(example(name), name, "exec"), {})


@pytest.mark.parametrize("item", ALL, ids=lambda item: f"{item.kind}-{item.name}")
def test_every_formula_of_a_docstring_can_be_drawn(item):
    for block in blocks(item):
        for row in rows(block):
            for one in row.formulas:
                assert formula(one.rstrip(",;"))


def test_no_name_of_an_equation_is_lost_on_the_way():
    for item in ALL:
        for block in blocks(item):
            shown = words(table(block))
            long = re.findall(r"\b(?:weight_decay|momentum|slow|vmax|peak|total|change)\b", block)
            assert [name for name in long if name not in shown] == [], item.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p - lr mhat / (sqrt(vhat) + eps)", ["p", ("lrm^", "v^+ε")]),
        ("a / b / c d", [("a", "bc"), "d"]),
        ("2 r / |s| t", [("2r", "|s|"), "t"]),
    ],
)
def test_a_quotient_has_above_it_what_stands_before(text, expected):
    found = formula(text)
    for part in expected:
        if isinstance(part, tuple):
            above, below = re.search(
                r"<mfrac>(<mrow>.*</mrow>)(<mrow>.*</mrow>)</mfrac>", found
            ).groups()
            assert (words(above), words(below)) == part
        else:
            assert part in words(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b1^t", "b1t"),
        ("||p| g|", "||p|g|"),
        ("rate <g, s>", "rate⟨g,s⟩"),
        ("g' m", "g\N{DOWN TACK}m"),
    ],
)
def test_indices_lengths_and_products_are_read_as_they_are_meant(text, expected):
    assert words(formula(text)) == expected


def test_what_is_no_formula_is_refused():
    for text in ("p <-", "(p", "p ? g"):
        with pytest.raises(Unreadable):
            formula(text)


def test_a_remark_that_goes_on_below_stays_one():
    (first, second) = rows(
        "    y = x Q    Q random, new every\n               few steps\n    m <- y"
    )
    assert (first.formulas, first.remarks) == (["y = x Q"], ["Q random, new every few steps"])
    assert second.formulas == ["m <- y"]


def test_a_formula_that_goes_on_in_a_line_below_is_a_row_without_a_left_side():
    (_, below, _) = rows("    x = m\n         sign(m) / n    of a vector\n    p <- x")
    assert (below.formulas, below.remarks, below.goes_on) == (
        ["sign(m) / n"],
        ["of a vector"],
        True,
    )


def test_a_sentence_between_equations_stands_by_itself_and_those_below_it_are_rows():
    text = "    m <- g    b = momentum\n    every k steps:\n        L <- L + g\n        R <- R + g"
    said = rows(text)
    assert [(row.formulas, row.remarks) for row in said[:2]] == [
        (["m <- g"], ["b = momentum"]),
        ([], ["every k steps:"]),
    ]
    assert [(row.formulas, row.goes_on) for row in said[2:]] == [
        (["L <- L + g"], True),
        (["R <- R + g"], True),
    ]


def test_a_path_that_is_drawn_is_the_one_that_is_walked():
    found = walked(["SGD", "Lion"])
    for name, one in found.items():
        shown = kept()["paths"][name]
        assert one["lr"] == shown["lr"]
        for place, other in zip(one["places"], shown["places"], strict=True):
            assert place == pytest.approx(other, abs=0.03)
