"""mytorch and torch train the same network the same way, and mytorch does it alone."""

import math
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

from tests.lab.conftest import run_thalweg
from thalweg.lab.contestants import DEFAULT_NAMES
from thalweg.lab.frameworks import BACKENDS, load_backend
from thalweg.lab.results import versions
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.tasks.layers import first_layers
from thalweg.lab.training import rehearse, train
from thalweg.optimizers import OPTIMIZERS

TAKING_PART = [
    name for name, made in OPTIMIZERS.items() if not any(rule.rows_only for rule in made.rules)
]

# Watches the whole command from inside its process.
ALONE = """
import sys
from thalweg.lab.cli import run
sys.argv[1:] = ["compare", "ranger", "--seeds", "1", "--epochs", "1", "--out", "."]
code = run()
print(*sorted({n.partition(".")[0] for n in sys.modules} & {"torch", "optuna"}), file=sys.stderr)
sys.exit(code)
"""

THREADS = """
import threadpoolctl
from thalweg.fuse import threads
from thalweg.lab.backends import mytorch
mytorch.use_threads(1)
print(threads.available(), *(pool["num_threads"] for pool in threadpoolctl.threadpool_info()))
"""


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "torch":
        pytest.importorskip("torch")
    return load_backend(request.param)


def played(name: str, optimizer: str, model: str = "mlp", **settings):
    """One short training."""
    task = open_task("digits", model, name)
    training = train(task, optimizer, {"lr": 0.01, **settings}, 1, 2, looks_at_test=True)
    while True:
        try:
            next(training)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("optimizer", DEFAULT_NAMES)
def test_both_backends_give_the_same_losses(optimizer):
    pytest.importorskip("torch")
    ours, torchs = played("mytorch", optimizer), played("torch", optimizer)
    assert ours.curve.step == torchs.curve.step
    # 28 steps in float32, whose sums are taken in another order: 2e-7 at the most was seen.
    assert ours.curve.train_loss == pytest.approx(torchs.curve.train_loss, rel=1e-5)
    assert ours.curve.validation_loss == pytest.approx(torchs.curve.validation_loss, rel=1e-5)
    assert ours.test_metric == torchs.test_metric
    assert ours.curve.train_loss[-1] < 0.95 * ours.curve.train_loss[0]


def test_both_backends_give_the_same_convolutions():
    pytest.importorskip("torch")
    ours, torchs = (played(name, "Adam", "cnn") for name in ("mytorch", "torch"))
    assert ours.curve.train_loss == pytest.approx(torchs.curve.train_loss, rel=1e-4)
    assert ours.curve.train_loss[-1] < 0.9 * ours.curve.train_loss[0]


def test_a_model_has_copies_of_the_weights_and_gives_what_they_give(backend):
    layers = first_layers("mlp", (64,), 10, 3)
    model = backend.build(layers)
    images = np.random.default_rng(0).random((5, 64), dtype=np.float32)
    expected = images
    for layer in layers:
        if layer.kind == "linear":
            expected = expected @ layer.weight.T + layer.bias
        elif layer.kind == "relu":
            expected = np.maximum(expected, 0)
    layers[1].weight[:] = 0
    # Float32 products of 64 and 128 terms, summed in another order.
    found = model(backend.as_data(images))
    found = found.detach().numpy() if hasattr(found, "detach") else found.numpy()
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TAKING_PART)
def test_every_optimizer_trains_on_every_backend(backend, name):
    task = open_task("digits", "mlp", backend.__name__.rpartition(".")[2])
    rehearse(task, name, {"lr": 0.01})


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("LBFGS", {"max_iter": 3, "line_search_fn": "strong_wolfe"}),
        ("Adafactor", {}),
        ("torch.optim:AdamW", {"amsgrad": True}),
        ("torch.optim:LBFGS", {"max_iter": 3, "line_search_fn": "strong_wolfe"}),
    ],
)
def test_what_torch_has_besides_takes_part_with_torch(name, settings):
    pytest.importorskip("torch")
    curve = played("torch", name, **settings).curve
    assert len(curve.step) == 28
    assert curve.train_loss[-1] < curve.train_loss[0]


def test_lbfgs_trains_without_torch():
    curve = played("mytorch", "LBFGS", max_iter=3, line_search_fn="strong_wolfe").curve
    assert curve.train_loss[-1] < curve.train_loss[0]


def test_torchs_adamw_and_ours_are_at_the_same_losses():
    pytest.importorskip("torch")
    ours, torchs = played("torch", "AdamW"), played("torch", "torch.optim:AdamW")
    assert ours.curve.train_loss == pytest.approx(torchs.curve.train_loss, rel=1e-5)


def test_a_loss_beyond_float32_is_silent_and_not_finite(backend):
    framework = backend.__name__.rpartition(".")[2]
    material = open_task("digits", "mlp", framework).start(1)
    images, labels = next(iter(material.train))
    with np.errstate(over="ignore", invalid="ignore"):
        assert not math.isfinite(backend.backward(material, (images * 3e38 * 1e5, labels)))


def test_results_say_which_backend_ran(small):
    assert small.results["backend"] == "mytorch"
    assert "torch" not in small.results["versions"]
    assert "network in mytorch" in " ".join(small.stdout.split())


def test_with_torch_they_say_so_too(tmp_path):
    torch = pytest.importorskip("torch")
    arguments = ("sgd", "--lr", "sgd=0.1", "--seeds", "1", "--epochs", "1", "--out", ".")
    outcome = run_thalweg("compare", *arguments, "--backend", "torch", cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.results["backend"] == "torch"
    assert outcome.results["versions"]["torch"] == torch.__version__
    assert "network in torch, 1 epoch in" in " ".join(outcome.stdout.split())
    assert max(map(len, outcome.stdout.splitlines())) <= 80


def test_the_version_is_that_of_the_torch_that_ran_with_its_build(monkeypatch):
    """The metadata of a torch for CUDA may say 2.13.0 where the module says 2.13.0+cu130."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "__version__", "2.13.0+of.another.build")
    found = versions("torch")
    assert found["torch"] == "2.13.0+of.another.build"
    assert found["scikit-learn"] == metadata.version("scikit-learn")


def test_without_being_asked_for_torch_and_optuna_are_never_loaded(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "\n")
    assert (tmp_path / "curves.png").exists()


def test_one_thread_is_one_for_matrix_products_and_for_steps():
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, env=free)
    assert done.stderr == ""
    assert set(done.stdout.split()) == {"1"}
