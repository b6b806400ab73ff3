"""What is trained: tables, networks, and a task of the user's own."""

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.lab.conftest import run_thalweg
from thalweg.lab.errors import UserError
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.tasks.tables import open_table

EXAMPLE = Path(__file__).parents[2] / "examples" / "tasks" / "diabetes.py"

RIGHT_FORM = "it must return model, loss, (train, validation, test) and, if there is one, a metric"

OWN = """
import numpy as np
from thalweg.mytorch import data, nn

def parts():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).astype(np.float32)
    y = (x @ rng.normal(size=(4, 1))).astype(np.float32)
    whole = data.TensorDataset(x, y)
    cuts = (range(60), range(60, 90), range(90, 120))
    return [data.DataLoader(data.Subset(whole, cut), batch_size=20, shuffle=True) for cut in cuts]

def task(seed):
    return nn.Linear(4, 1), nn.MSELoss(), tuple(parts())

def judged():
    def error(output, target):
        return float(np.abs(np.asarray(output) - np.asarray(target)).mean())
    error.lower_is_better = True
    return nn.Linear(4, 1), nn.MSELoss(), parts()[:2], error

def diverges(seed):
    model = nn.Linear(4, 1)
    return model, lambda output, target: (output * np.float32(np.nan)).sum(), tuple(parts())

def breaks(seed):
    return nn.Linear(5, 1), nn.MSELoss(), tuple(parts())

def three(): return 3
def two(): return 1, 2
def raises(): raise KeyError("x")
def no_model(): return 3, nn.MSELoss(), parts()
def no_loss(): return nn.Linear(4, 1), 3, parts()
def one_loader(): return nn.Linear(4, 1), nn.MSELoss(), parts()[0]
def spent(): return nn.Linear(4, 1), nn.MSELoss(), (iter(parts()[0]), parts()[1])
def no_metric(): return nn.Linear(4, 1), nn.MSELoss(), parts(), 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(data=None, model="mlp") -> str:
    with pytest.raises(UserError) as found:
        open_task(data, model)
    return str(found.value)


# Tables.


def test_two_moons_have_two_classes():
    table = open_table("two-moons")
    assert (table.classes, table.train.inputs.shape) == (2, (750, 2))


def written(path, rows, header="a,b,target"):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return f"csv:{path}"


def test_a_csv_of_quantities_is_a_regression_with_everything_scaled(tmp_path):
    rows = [(i, 1000 - i * i, 0.5 * i) for i in range(60)]
    table = open_table(written(tmp_path / "t.csv", rows))
    assert (table.classes, table.outputs) == (None, 1)
    for columns in table.train:
        assert np.allclose(columns.mean(axis=0), 0, atol=1e-5)
        assert np.allclose(columns.std(axis=0), 1, atol=1e-5)


def test_a_csv_of_few_whole_numbers_has_classes_whatever_they_are(tmp_path):
    rows = [(i, i, (3, 7, 9)[i % 3]) for i in range(60)]
    table = open_table(written(tmp_path / "t.csv", rows))
    assert table.classes == 3
    assert set(table.test.targets) == {0, 1, 2}


def test_many_whole_numbers_are_quantities(tmp_path):
    rows = [(i, i, 20 + i) for i in range(60)]
    assert open_table(written(tmp_path / "t.csv", rows)).classes is None


def test_the_target_is_the_column_of_that_name_or_the_last(tmp_path):
    rows = [(i % 2, i, 3 * i) for i in range(40)]
    assert open_table(written(tmp_path / "t.csv", rows, "Label,b,c")).classes == 2
    assert open_table(written(tmp_path / "t.csv", rows, "a,b,c")).classes is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(1, 2, 0), (3, "hello", 1)], "line 3, column 'b': every value must be a number"),
        ([(1, 2, 0), (3, "", 1)], "line 3, column 'b'"),
        ([(1, 2, 0)] * 3, "there must be at least 8 rows to split them, got 3"),
        ([], "has a header, but no rows below it"),
    ],
)
def test_a_csv_with_text_holes_or_few_rows_is_refused(rows, said, tmp_path):
    source = written(tmp_path / "t.csv", rows)
    told = refusal(source)
    assert told.startswith(f"--data {source}: ")
    assert said in told


def test_npz_has_images_or_four_parts(tmp_path):
    images = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8)
    labels = np.arange(40) % 2
    np.savez(tmp_path / "one.npz", x=images, y=labels)
    table = open_table(f"npz:{tmp_path}/one.npz")
    assert table.train.inputs.shape[1:] == (1, 8, 8)
    assert table.train.inputs.max() <= 1
    parts = {"x_train": images, "y_train": labels, "x_test": images[:10], "y_test": labels[:10]}
    np.savez(tmp_path / "two.npz", **parts)
    table = open_table(f"npz:{tmp_path}/two.npz")
    assert (len(table.train.targets), len(table.test.targets), table.classes) == (30, 10, 2)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((9, 2))}, "must have the arrays x and y, or x_train"),
        ({"x": np.zeros((9, 2)), "y": np.zeros(8)}, "got the shapes (9, 2) and (8,)"),
        ({"x": np.zeros((9, 2)), "y": np.array(["a"] * 9)}, "y must hold numbers"),
        ({"x": np.full((9, 2), np.nan), "y": np.zeros(9)}, "x must hold finite numbers"),
    ],
)
def test_an_npz_without_what_is_needed_is_refused(arrays, said, tmp_path):
    np.savez(tmp_path / "t.npz", **arrays)
    assert said in refusal(f"npz:{tmp_path}/t.npz")


def test_what_is_no_npz_is_refused(tmp_path):
    (tmp_path / "t.npz").write_text("no archive")
    assert "cannot be read as an .npz file" in refusal(f"npz:{tmp_path}/t.npz")


def test_mnist_is_read_from_its_files(tmp_path):
    for stem, count in (("train", 40), ("t10k", 12)):
        images = struct.pack(">4I", 2051, count, 8, 8) + bytes(count * 64)
        labels = struct.pack(">2I", 2049, count) + bytes(i % 10 for i in range(count))
        (tmp_path / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    table = open_table(f"mnist:{tmp_path}")
    assert (table.classes, len(table.test.targets), table.train.inputs.shape[1:]) == (
        10,
        12,
        (1, 8, 8),
    )


def test_another_state_of_a_file_has_another_fingerprint(tmp_path):
    rows = [(i, i, i % 2) for i in range(40)]
    one = open_table(written(tmp_path / "t.csv", rows)).fingerprint
    other = open_table(written(tmp_path / "t.csv", [*rows, (1, 1, 1)])).fingerprint
    assert one != other


# The user's own task.


def test_an_own_task_is_opened_and_made_anew_for_each_seed(own):
    task = open_task(model="own.py:task")
    assert (task.framework, task.metric, task.is_higher_better) == ("mytorch", None, False)
    first, again, other = (task.start(seed).model.weight.numpy() for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_metric_may_be_better_where_it_is_lower(own):
    task = open_task(model="own.py:judged")
    assert (task.metric, task.is_higher_better) == ("error", False)
    assert task.start(1).test is None


def test_a_task_in_torch_is_one_too(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    (tmp_path / "own_torch.py").write_text(
        "import torch\n"
        "def task():\n"
        "    x = torch.randn(30, 4)\n"
        "    loader = [(x, x.sum(1, keepdim=True))]\n"
        "    return torch.nn.Linear(4, 1), torch.nn.MSELoss(), (loader, loader)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert open_task(model="own_torch.py:task").framework == "torch"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("three", f"it returned int; {RIGHT_FORM}"),
        ("two", f"it returned 2 things; {RIGHT_FORM}"),
        ("raises", "it fails: KeyError: 'x'"),
        ("no_model", f"model must be a Module of torch or mytorch, got int; {RIGHT_FORM}"),
        ("no_loss", f"loss must be a function of (output, target), got int; {RIGHT_FORM}"),
        ("one_loader", f"the loaders must be two or three, got DataLoader; {RIGHT_FORM}"),
        ("spent", "the train loader must give its batches anew each time, got "),
        ("no_metric", f"metric must be a function of (output, target), got int; {RIGHT_FORM}"),
        ("tsk", "own.py has no 'tsk' (did you mean task?)"),
    ],
)
def test_a_task_of_another_form_is_refused_with_the_right_one(function, said, own):
    assert refusal(model=f"own.py:{function}").startswith(f"--model own.py:{function}: ")
    assert said in refusal(model=f"own.py:{function}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "line 1: ModuleNotFoundError: No module named"),
        ("def f(:", "line 1: SyntaxError: invalid syntax"),
        ("\n1 / 0", "line 2: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "line 1: SystemExit: 3"),
    ],
)
def test_a_file_that_does_not_import_says_where(text, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(text)
    assert refusal(model="broken.py:task").startswith(
        f"--model broken.py:task: broken.py does not import: {said}"
    )


def test_an_own_task_has_data_of_its_own(own):
    assert "own.py:task brings its own data" in refusal("digits", "own.py:task")


@pytest.mark.slow
def test_an_own_task_is_compared_by_its_own_metric(own):
    arguments = ("adam", "sgd", "--model", "own.py:judged", "--lr", "0.1")
    outcome = run_thalweg(
        "compare",
        *arguments,
        "--seeds",
        "3",
        "--epochs",
        "4",
        "--out",
        "o",
        cwd=own,
        folder=own / "o",
    )
    assert (outcome.code, outcome.stderr) == (0, "")
    words = " ".join(outcome.stdout.split())
    assert "own.py:judged: 5 weights in mytorch" in words
    assert "is the validation error to be reached, where the middle one of these ends" in words
    best = [one["summary"]["test_error"]["mean"] for one in outcome.results["optimizers"].values()]
    first = words[words.index("weight ─" if "weight ─" in words else "optimizer") :]
    assert min(best) > 0
    assert outcome.results["verdict"]["first"] in first


@pytest.mark.slow
def test_a_loss_that_is_nan_is_a_row_of_the_table(own):
    arguments = (
        "adam",
        "--model",
        "own.py:diverges",
        "--lr",
        "0.1",
        "--seeds",
        "2",
        "--epochs",
        "1",
    )
    outcome = run_thalweg("compare", *arguments, cwd=own)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "Adam: 2 of 2 seeds diverged" in " ".join(outcome.stdout.split())


@pytest.mark.slow
def test_a_model_that_breaks_on_its_data_is_a_sentence(own):
    outcome = run_thalweg("compare", "adam", "--model", "own.py:breaks", cwd=own)
    assert outcome.code == 2
    assert outcome.stderr.startswith("thalweg: own.py:breaks with Adam(lr=0.01) fails in training:")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_rule_of_the_users_own_takes_part(own):
    (own / "rule.py").write_text(
        "from thalweg.rule import Rule, setting\n"
        "class Plain(Rule):\n"
        "    lr: float = setting(1e-2, low=0)\n"
        "    @staticmethod\n"
        "    def update(g, lr):\n"
        "        u = lr * g\n"
        "        return u\n"
    )
    arguments = ("rule.py:Plain", "sgd(momentum=0)", "--lr", "0.1", "--seeds", "1", "--epochs", "1")
    outcome = run_thalweg("compare", *arguments, "--out", "o", cwd=own, folder=own / "o")
    assert (outcome.code, outcome.stderr) == (0, "")
    ours, plain = outcome.results["optimizers"].values()
    assert ours["runs"][0]["test_loss"] == plain["runs"][0]["test_loss"]


@pytest.mark.slow
def test_the_example_of_an_own_task_says_how_it_is_compared(tmp_path):
    (command,) = re.findall(r"^    thalweg (compare .*)$", EXAMPLE.read_text(), re.M)
    words = command.replace("examples", str(EXAMPLE.parents[1])).split()
    outcome = run_thalweg(
        *words,
        "--seeds",
        "2",
        "--epochs",
        "20",
        "--lr",
        "0.01",
        "--out",
        "o",
        cwd=tmp_path,
        folder=tmp_path / "o",
    )
    assert (outcome.code, outcome.stderr) == (0, "")
    for one in outcome.results["optimizers"].values():
        assert one["summary"]["test_error"]["mean"] < 0.75  # that of the mean is 0.85
