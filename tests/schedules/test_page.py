"""docs/schedules.md says what is so: its examples run, its pictures are there, its tables hold."""

import re
import warnings
from pathlib import Path

import pytest

import thalweg.optim.lr_scheduler as lr_scheduler
from scripts import draw_schedules
from tests.schedules.twins import optimizer
from thalweg import schedules

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "schedules.md").read_text(encoding="utf-8")


def test_its_examples_run(tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)  # one of them saves a picture
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    assert len(blocks) == PAGE.count("```python") > 5
    names: dict[str, object] = {}
    for block in blocks:  # as a reader would: each goes on from the one before
        exec(compile(block, "schedules.md", "exec"), names)
    assert (tmp_path / "schedule.png").stat().st_size > 1000
    plt.close("all")


def test_an_example_that_is_wrong_would_be_found():
    wrong = PAGE.replace("assert schedule(500) == 1.0", "assert schedule(500) == 2.0")
    (first, *_) = re.findall(r"^```python\n(.*?)^```", wrong, re.M | re.S)
    with pytest.raises(AssertionError):
        exec(compile(first, "schedules.md", "exec"), {})


def test_its_pictures_are_there_and_drawn_by_the_script(tmp_path):
    shown = set(re.findall(r"!\[.*?\]\((.*?)\)", PAGE))
    assert shown == {f"schedules/{name}" for name in draw_schedules.PICTURES}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_schedules.main(tmp_path)
    for name in draw_schedules.PICTURES:
        assert (tmp_path / name).stat().st_size > 10_000
        assert (DOCS / "schedules" / name).stat().st_size > 10_000


def test_the_titles_of_the_pictures_are_what_is_drawn():
    for title, schedule in draw_schedules.CURVES.items():
        assert repr(eval(title, vars(schedules).copy())) == repr(schedule)


def test_its_table_has_every_class():
    table = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))
    together = {"SequentialLR", "ChainedScheduler", "LRScheduler", "Scheduler"}
    assert table == {*lr_scheduler.__all__} - together


ARGUMENTS = {
    "CosineAnnealingLR": (10,),
    "CosineAnnealingWarmRestarts": (10,),
    "CyclicLR": (0.1, 0.2),
    "ExponentialLR": (0.9,),
    "LambdaLR": (lambda t: 1 / (t + 1),),
    "MultiStepLR": ([1],),
    "MultiplicativeLR": (lambda t: 0.9,),
    "OneCycleLR": (0.2, 10),
    "SWALR": (0.05,),
    "ScheduleLR": (schedules.cosine(10),),
    "StepLR": (1,),
}


@pytest.mark.parametrize(
    ("name", "said"), re.findall(r"^\| `(\w+)` \|.*\| is (\w+) \|$", PAGE, re.M)
)
def test_an_edited_rate_is_followed_or_overwritten_as_it_says(name, said):
    after = []
    for edited in (0.5, 0.25):
        opt = optimizer()
        scheduler = getattr(lr_scheduler, name)(opt, *ARGUMENTS.get(name, ()))
        opt.step()
        opt.param_groups[0]["lr"] = edited
        scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
        after.append(opt.param_groups[0]["lr"])
    assert (after[0] != after[1]) == (said == "followed")


def test_it_names_every_curve():
    script = (DOCS.parent / "scripts" / "draw_schedules.py").read_text(encoding="utf-8")
    unshown = {"PerGroup", "Schedule"}
    for name in {*schedules.__all__} - unshown:
        assert re.search(rf"\b{name}\b", PAGE + script), name
