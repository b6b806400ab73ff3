"""docs/evidence.md is what its results say, and they are of its protocol."""

import pytest

pytest.importorskip("rich", reason="rich is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from benchmarks.evidence import protocol
from benchmarks.evidence.run import shortened
from scripts.write_evidence import PAGE, main, page, results, sentence
from thalweg.lab.contestants import enter
from thalweg.lab.search import search_of
from thalweg.lab.verdict import judge

RESULTS = results()
ENTERED = enter(protocol.OPTIMIZERS, ())


@pytest.fixture(params=list(RESULTS))
def result(request):
    return RESULTS[request.param]


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(RESULTS), "python -m scripts.write_evidence"


def test_a_page_of_another_text_is_not_current(tmp_path, capsys):
    assert main(["--check"], tmp_path / "evidence.md") == 1
    assert "python -m scripts.write_evidence" in capsys.readouterr().err
    assert main(["--else"], tmp_path / "evidence.md") == 2


def test_a_task_that_was_not_run_is_said_to_be_so():
    assert page({}).count("not run") == len(protocol.TASKS)


def test_all_search_the_same_ranges_of_lr_and_decay():
    spaces = [search_of(one.specification, protocol.TRIALS).space for one in ENTERED]
    for name in ("lr", "weight_decay"):
        assert len({repr(space[name]) for space in spaces}) == 1


def test_the_baseline_s_betas_are_tuned_too():
    (baseline,) = (one for one in ENTERED if one.name == protocol.BASELINE)
    space = search_of(baseline.specification, protocol.TRIALS).space
    assert {*space} == {"lr", "weight_decay", "betas[0]", "betas[1]"}


def test_a_result_has_every_optimizer_with_every_seed_and_as_many_trials(result):
    assert {*result["optimizers"]} == {one.name for one in ENTERED}
    for told in result["optimizers"].values():
        assert len(told["runs"]) == protocol.SEEDS
        assert told["searched"]["trials"] == protocol.TRIALS
        assert len(told["trials"]) in (
            protocol.TRIALS,
            protocol.TRIALS + len(told["searched"]["widened_by"]),
        )


def test_a_verdict_is_that_of_the_runs(result):
    name, higher = result["judged_by"]["name"], result["judged_by"]["higher"]
    scores = {
        label: {
            run["seed"]: float("nan") if run["diverged_at"] is not None else run[f"test_{name}"]
            for run in told["runs"]
        }
        for label, told in result["optimizers"].items()
    }
    found = judge(scores, higher)
    told = result["verdict"]
    assert (found.first, found.winner) == (told["first"], told["winner"])
    assert (found.beside, found.behind) == (told["beside"], told["behind"])


def test_the_page_has_the_verdict_on_each_task(result):
    assert sentence(result) in PAGE.read_text(encoding="utf-8")


def test_a_comparison_is_shortened_to_what_the_page_needs():
    run = {
        "seed": 1,
        "diverged_at": None,
        "test_loss": 0.5,
        "weight_count": 3,
        "curve": {"step": [1, 2], "seconds": [0.1, 0.2], "validation_loss": [2.0, 1.0]},
    }
    whole = {
        **{key: key for key in ("command", "finished_at", "versions")},
        "machine": {"processor": "a", "cpus": 2, "threads": 1, "platform": "b"},
        "settings": {"metric": None, "higher_is_better": False, "target": 1.5},
        "verdict": {"first": "SGD(momentum=0.8..0.99)"},
        "optimizers": {"SGD(momentum=0.8..0.99)": {"name": "SGD", "lr": 0.1, "runs": [run]}},
    }
    found = shortened(whole, protocol.TASKS["diabetes"])
    assert found["machine"] == {"processor": "a", "cpus": 2, "threads": 1}
    assert found["verdict"] == {"first": "SGD"}
    told = found["optimizers"]["SGD"]
    assert told["curve"] == {"step": [1, 2], "loss": [2.0, 1.0]}
    assert told["runs"][0]["to_target"] == {"step": 2, "seconds": 0.2}
    assert "curve" not in told["runs"][0]
