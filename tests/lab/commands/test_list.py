"""`thalweg list` has a line for everything, with its paper."""

import json

import pytest

from tests.lab.commands.told import thalweg, widest, words

pytest.importorskip("typer")

from thalweg import schedules
from thalweg.lab.listing import KINDS, items
from thalweg.mytorch.optim import lr_scheduler
from thalweg.optimizers import OPTIMIZERS
from thalweg.stages import STAGES


def test_everything_is_listed_once():
    names = {kind: [item.name for item in items((kind,))] for kind in KINDS}
    assert {*OPTIMIZERS, "LBFGS"} == {*names["optimizers"]}
    assert [*STAGES] == names["stages"]
    assert {name for name in schedules.__all__ if name.islower()} == {*names["schedules"]}
    assert {*lr_scheduler.__all__} - {"LRScheduler"} == {*names["schedulers"]}
    assert len(items()) == len({(item.kind, item.name) for item in items()})


def test_each_has_a_sentence_and_each_optimizer_a_paper():
    for item in items():
        assert len(item.line) > 10, item
        if item.kind == "optimizers":
            assert any(mark in item.paper for mark in ("19", "20")), item


def test_a_paper_is_told_by_its_number():
    (radam,) = (item for item in items() if item.name == "RAdam")
    assert radam.line == "Rectified Adam"
    assert radam.paper == "Liu et al. 2020, arXiv:1908.03265, Algorithm 2"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_it_fits_its_window_and_breaks_no_word(columns):
    told = thalweg("list", columns=columns)
    assert told.code == 0
    several = [line for line in told.out.splitlines() if len(line.split()) > 1]  # a URL is one word
    assert widest("\n".join(several)) <= min(columns, 100)
    assert words(told.out) == words(thalweg("list").out)


def test_json_says_the_same():
    told = thalweg("list", "rules", "--json")
    assert [one["name"] for one in json.loads(told.out)] == [
        item.name for item in items(("optimizers",))
    ]


def test_it_can_be_written_to_a_file(tmp_path):
    path = tmp_path / "list.txt"
    assert thalweg("list", "stages", "--out", str(path)).out == f"Written: {path}\n"
    assert path.read_text() == thalweg("list", "stages").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rulez",), "KIND must be one of optimizers, stages, schedules, schedulers, got 'rulez'"),
        (("--out", ""), "--out must be the path of a file, got ''"),
        (("--out", "no/such/folder/x.txt"), "cannot write no/such/folder/x.txt: No such file"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, says):
    told = thalweg("list", *arguments)
    assert told.code == 2
    assert says in told.err


def test_a_word_finds_those_that_have_it():
    told = thalweg("list", "--find", "lion", "--json")
    assert [one["name"] for one in json.loads(told.out)] == ["CautiousLion", "Lion", "Tiger"]
    papers = thalweg("list", "rules", "--find", "2302.06675")
    assert papers.out.startswith("Optimizers (1)")
    none = thalweg("list", "--find", "zebra")
    assert (none.code, none.err) == (
        2,
        "thalweg: nothing that `thalweg list` has is about 'zebra'\n",
    )
