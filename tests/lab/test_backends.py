"""mytorch and torch train the same network the same way, and mytorch does it alone."""

import math
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

from tests.cases import SUBJECTS
from tests.lab.conftest import read_strictly, run_thalweg
from thalweg.lab.contest import Contest
from thalweg.lab.contestants import DEFAULT_NAMES, Budget, enter
from thalweg.lab.digits import load_tasks
from thalweg.lab.network import BACKENDS, initial_layers, load_backend
from thalweg.lab.results import write_results

TASKS = load_tasks()
SHORT = Budget(seeds=1, epochs=2, batch_size=64)

# Watches the whole command from inside its process.
ALONE = """
import sys
from thalweg.lab.cli import run
sys.argv[1:] = ["compare", "ranger", "--seeds", "1", "--epochs", "1", "--out", "."]
code = run()
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"torch"}), file=sys.stderr)
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


def played(name: str, optimizer: str):
    """One short training."""
    contest = Contest(enter([optimizer], [f"{optimizer}=0.01"]), SHORT, load_backend(name), TASKS)
    list(contest.play())
    return contest.entries[0].runs[0]


@pytest.mark.parametrize("optimizer", DEFAULT_NAMES)
def test_both_backends_give_the_same_losses(optimizer):
    pytest.importorskip("torch")
    ours, torchs = played("mytorch", optimizer), played("torch", optimizer)
    assert ours.curve.step == torchs.curve.step
    # 38 steps in float32, whose sums are taken in another order: 2e-7 at the most was seen.
    assert ours.curve.train_loss == pytest.approx(torchs.curve.train_loss, rel=1e-5)
    assert ours.curve.held_loss == pytest.approx(torchs.curve.held_loss, rel=1e-5)
    assert ours.curve.train_loss[-1] < 0.9 * ours.curve.train_loss[0]


def test_the_classifier_copies_its_weights_and_scores_them_as_given(backend):
    layers = initial_layers(3)
    classifier = backend.make_classifier(layers)
    images = np.random.default_rng(0).random((5, layers[0][0].shape[1]), dtype=np.float32)
    expected = images
    for weight, bias in layers[:-1]:
        expected = np.maximum(expected @ weight.T + bias, 0)
    expected = expected @ layers[-1][0].T + layers[-1][1]
    layers[0][0][:] = 0
    # Two float32 products of 64 and 128 terms, summed in another order.
    assert np.allclose(classifier.logits(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [one.name for one in SUBJECTS if not one.is_for_sparse])
def test_every_optimizer_steps_on_every_backend(backend, name):
    classifier = backend.make_classifier(initial_layers(1))
    optimizer = backend.make_optimizer(name, classifier.parameters(), lr=0.01)
    batch = TASKS[0].images[:32], TASKS[0].labels[:32]
    before = classifier.logits(batch[0]).copy()
    assert math.isfinite(classifier.backward(*batch))
    optimizer.step()
    assert not np.allclose(classifier.logits(batch[0]), before)


def test_a_loss_beyond_float32_is_silent_and_not_finite(backend):
    classifier = backend.make_classifier(initial_layers(1))
    loss = classifier.backward(TASKS[0].images[:8] * np.float32(3e38), TASKS[0].labels[:8])
    assert not math.isfinite(loss)


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


def test_the_version_is_that_of_the_torch_that_ran_with_its_build(tmp_path, monkeypatch):
    """The metadata of a torch for CUDA may say 2.13.0 where the module says 2.13.0+cu130."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "__version__", "2.13.0+of.another.build")
    contest = Contest(enter(["sgd"], ["sgd=0.1"]), SHORT, load_backend("torch"), TASKS)
    write_results(tmp_path / "results.json", contest, "torch", complete=False, seconds=0.0)
    versions = read_strictly(tmp_path / "results.json")["versions"]
    assert versions["torch"] == "2.13.0+of.another.build"
    assert versions["scikit-learn"] == metadata.version("scikit-learn")


def test_without_being_asked_for_torch_is_never_loaded(tmp_path):
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
