"""`thalweg bench` times steps in turns, beside torch's and a floor that the passes decide."""

import json

import pytest

from tests.lab.commands.told import thalweg, widest

pytest.importorskip("typer")

from thalweg.lab.bench.accesses import counted
from thalweg.lab.bench.timing import timed
from thalweg.optimizers import OPTIMIZERS

QUICK = ("--seconds", "0", "--rounds", "6", "--threads", "1")
SHAPES = [(64, 64), (64,)]


@pytest.mark.parametrize(
    ("name", "settings", "accesses", "cycle"),
    [
        ("SGD", {}, 3, 1),
        ("SGD", {"momentum": 0.9}, 5, 1),
        ("AdamW", {}, 7, 1),
        ("AdamW", {"amsgrad": True}, 9, 1),
        ("LAMB", {}, 11, 1),
        ("Ranger", {}, 7 + 2 / 6, 6),
        ("Ranger", {"k": 4}, 7 + 2 / 4, 4),
    ],
    ids=str,
)
def test_reads_and_writes_are_counted_from_the_passes(name, settings, accesses, cycle):
    found = counted(OPTIMIZERS[name], settings, SHAPES)
    assert found == (pytest.approx(accesses), cycle)


def test_the_floors_of_the_benchmarks_are_no_lower_than_what_is_counted():
    pytest.importorskip("torch")
    from thalweg.lab.bench.on_torch.families import FAMILIES

    for family in FAMILIES:
        chain = OPTIMIZERS[family.optimizer]
        accesses, cycle = counted(chain, family.settings, SHAPES)
        assert accesses <= family.accesses + 1e-9, family.name
        assert cycle == family.cycle, family.name


def test_the_floor_is_the_streams_time_for_as_many_accesses():
    times = timed({"ours": lambda: None}, lambda: None, 9.0, rounds=5, seconds=0.0)
    assert times["floor"] == [3 * one for one in times["stream"]]
    assert "floor" not in timed({"ours": lambda: None}, lambda: None, None, rounds=5, seconds=0.0)


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_it_fits_its_window(columns):
    told = thalweg("bench", "adamw", "ranger(k=2)", *QUICK, columns=columns)
    assert told.code == 0, told.err
    assert widest(told.out) <= min(columns, 100)
    assert "\x1b" not in told.out + told.err
    assert "Ranger(k=2)" in told.out


def test_json_has_every_time_and_the_machine():
    told = json.loads(thalweg("bench", "adam", *QUICK, "--json").out)
    (adam,) = told["optimizers"]
    assert {*adam["seconds"]} == {"ours", "floor"}
    assert adam["seconds"]["ours"]["samples"] >= 6
    assert adam["ratios"]["ours / floor"]["value"] > 0
    assert told["elements"] == 235146
    assert told["environment"]["threads"] == 1
    assert told["environment"]["versions"]["numpy"]


@pytest.mark.slow
def test_on_torch_its_forms_stand_beside_ours():
    pytest.importorskip("torch")
    arguments = ("adamw", "ranger", "torch.optim:AdamW", "adafactor", "--backend", "torch")
    told = json.loads(thalweg("bench", *arguments, *QUICK, "--json").out)
    times = {one["name"]: {*one["seconds"]} for one in told["optimizers"]}
    assert times == {
        "AdamW": {"ours", "loop", "foreach", "fused", "floor"},
        "Ranger": {"ours", "floor"},
        "torch.optim:AdamW": {"ours"},
        "Adafactor": {"ours", "loop", "foreach", "floor"},
    }
    assert told["optimizers"][0]["torch_best"] in ("loop", "foreach", "fused")


def test_a_model_of_the_users_own_is_stepped(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nfrom thalweg.mytorch import nn\n\n\ndef task(seed):\n"
        "    model = nn.Linear(30, 10)\n    x = np.ones((4, 30), np.float32)\n"
        "    y = np.ones((4, 10), np.float32)\n    batches = [(x, y)] * 3\n"
        "    return model, nn.MSELoss(), (batches, batches)\n"
    )
    told = thalweg("bench", "lion", "--model", f"{path}:task", *QUICK, "--json")
    assert told.code == 0, told.err
    found = json.loads(told.out)
    assert (found["tensors"], found["elements"]) == (2, 310)
    assert found["backward"]["median"] > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("adamm",), "no optimizer is called 'adamm' (did you mean Adam?)"),
        (("adam(lr=1e-4..1e-1)",), "a range is for a search; give one value"),
        (("lbfgs",), "LBFGS evaluates the model within its step"),
        (("muon",), "Muon: a parameter of shape (256,) is none that Muon takes"),
        (("adam", "--shapes", "gpt3"), "--shapes must be gpt2, small, mlp, got 'gpt3'"),
        (("adam", "--shapes", "mlp", "--model", "mlp"), "give one of them"),
        (("adam", "--model", "nowhere.py:task"), "there is no file nowhere.py"),
        (("adam", "--backend", "jax"), "--backend must be mytorch or torch, got 'jax'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_answered(arguments, says):
    told = thalweg("bench", *arguments)
    assert told.code == 2
    assert says in told.err
