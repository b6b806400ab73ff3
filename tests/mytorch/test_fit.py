"""`fit`: the loop written by hand in one call, what it gives back, shows and refuses."""

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from thalweg.mytorch import History, accuracy, evaluate, fit, manual_seed, nn, no_grad
from thalweg.mytorch.data import DataLoader, Dataset, TensorDataset
from thalweg.mytorch.optim import SGD, Scheduler
from thalweg.mytorch.progress import Bar, Lines, Silent, progress_for
from thalweg.schedules import cosine

ROOT = Path(__file__).parents[2]
RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(70, 2)).astype(np.float32)
SIDES = (POINTS.sum(axis=1) > 0).astype(np.int64)
TRAINING, OTHERS = TensorDataset(POINTS[:50], SIDES[:50]), TensorDataset(POINTS[50:], SIDES[50:])
LOSS = nn.CrossEntropyLoss()


class Plateau:
    """A scheduler that wants a metric, as torch's ReduceLROnPlateau does."""

    def __init__(self):
        self.seen = []

    def step(self, metrics, epoch=None):
        self.seen.append(metrics)


class Perhaps(Plateau):
    """One that takes a metric where it is given."""

    def step(self, metrics=None):
        self.seen.append(metrics)


class Counter:
    """A scheduler that does not."""

    def __init__(self):
        self.steps = 0

    def step(self):
        self.steps += 1


class OneCycleLR(Counter):
    """Known by its name."""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def network() -> nn.Module:
    manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 2))


def batches(**options) -> DataLoader:
    return DataLoader(TRAINING, 16, shuffle=True, seed=1, **options)


def trained(model=None, lr=0.5, loader=None, epochs=3, **options) -> History:
    model = network() if model is None else model
    return fit(model, LOSS, SGD(model, lr=lr), loader or batches(), epochs, **options)


def test_it_does_to_the_last_bit_what_the_loop_written_by_hand_does():
    by_hand, losses = network(), []
    opt = SGD(by_hand, lr=0.5, momentum=0.9)
    for _ in range(3):
        for points, sides in batches():
            opt.zero_grad()
            loss = LOSS(by_hand(points), sides)
            loss.backward()
            opt.step()
            losses.append(loss.item())
    model = network()
    history = fit(model, LOSS, SGD(model, lr=0.5, momentum=0.9), [*batches()] * 3, 1)
    assert history.batch_loss.tolist() == losses
    for name, array in by_hand.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array)


def test_the_history_is_arrays_of_batches_and_epochs():
    history = trained(validation=DataLoader(OTHERS, 7), metrics=[accuracy])
    assert [len(one) for one in (history.batch_loss, history.lr)] == [12, 12]
    assert len(history) == 3
    for values in (
        *(history.loss, history.seconds, history.validation_loss),
        *(history.metrics["accuracy"], history.validation_metrics["accuracy"]),
    ):
        assert (values.shape, values.dtype) == ((3,), np.float64)
    assert history.loss[0] > history.loss[-1]
    assert history.steps.tolist() == [4, 8, 12]
    assert history.stopped == ""
    sizes = np.tile([16, 16, 16, 2], 3).reshape(3, 4)
    weighed = (history.batch_loss.reshape(3, 4) * sizes).sum(axis=1) / 50
    np.testing.assert_allclose(history.loss, weighed)


def test_validation_is_the_models_loss_and_metrics_in_evaluation():
    model = network()
    history = trained(model, validation=DataLoader(OTHERS, 7), metrics={"right": accuracy})
    modes = [module.training for module in model.modules()]
    assert modes == [True] * 5
    found = evaluate(model, LOSS, DataLoader(OTHERS, 6), metrics={"right": accuracy})
    with no_grad():
        scores = model.eval()(POINTS[50:])
    assert found["loss"] == pytest.approx(LOSS(scores, SIDES[50:]).item(), rel=1e-6)
    assert found["right"] == pytest.approx(np.mean(scores.data.argmax(axis=1) == SIDES[50:]))
    assert history.validation_loss[-1] == pytest.approx(found["loss"], rel=1e-6)
    assert history.validation_metrics["right"][-1] == pytest.approx(found["right"])


def test_a_metric_may_be_written_in_numpy():
    def right(scores, sides):
        assert not scores.requires_grad
        return np.mean(np.argmax(scores, axis=1) == np.asarray(sides))

    history = trained(metrics=[right, accuracy], validation=DataLoader(OTHERS, 7))
    for found in (history.metrics, history.validation_metrics):
        np.testing.assert_allclose(found["right"], found["accuracy"])


def test_a_schedule_goes_by_batches():
    model = network()
    history = trained(model, schedule=cosine(12))
    np.testing.assert_allclose(history.lr, 0.5 * cosine(12)(np.arange(12)))
    opt = SGD(model, lr=0.5)
    history = fit(model, LOSS, opt, batches(), 3, schedule=Scheduler(opt, cosine(12)))
    np.testing.assert_allclose(history.lr, 0.5 * cosine(12)(np.arange(12)))


def test_any_other_scheduler_goes_by_epochs_unless_told():
    for every, steps in ((None, 3), ("epoch", 3), ("batch", 12)):
        counter = Counter()
        trained(schedule=counter, schedule_every=every)
        assert counter.steps == steps
    counter = OneCycleLR()
    trained(schedule=counter)
    assert counter.steps == 12


def test_a_scheduler_that_wants_a_metric_gets_the_validation_loss_or_the_training_loss():
    for plateau in (Plateau(), Perhaps()):
        history = trained(schedule=plateau)
        assert plateau.seen == history.loss.tolist()
    plateau = Plateau()
    history = trained(schedule=plateau, validation=DataLoader(OTHERS, 7))
    assert plateau.seen == history.validation_loss.tolist()


def test_gradients_are_clipped_where_asked():
    model = network()
    before = np.concatenate([p.data.ravel() for p in model.parameters()])
    fit(model, LOSS, SGD(model, lr=1.0), [*batches()][:1], 1, clip_norm=1e-3)
    after = np.concatenate([p.data.ravel() for p in model.parameters()])
    assert np.linalg.norm(after - before) == pytest.approx(1e-3, rel=0.01)


def test_a_training_that_diverges_ends_with_one_warning_and_weights_that_are_numbers():
    model = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1))
    data = DataLoader(TensorDataset(POINTS, POINTS[:, :1]), 10)
    with pytest.warns(RuntimeWarning) as caught:
        history = fit(model, nn.MSELoss(), SGD(model, lr=1e4), data, 20)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message).startswith("fit: the loss is ")
    assert "in epoch 1, batch " in history.stopped
    assert len(history) == 0
    assert np.isfinite(history.batch_loss).all()


class Pairs(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return {"a": POINTS[index], "b": POINTS[index + 1], "y": SIDES[index]}


class Sum(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 2)

    def forward(self, a, b):
        return self.layer(a + b)


def test_a_batch_of_another_form_is_unpacked_by_a_function():
    model = Sum()
    loader = DataLoader(Pairs(), 3)
    history = fit(
        model,
        LOSS,
        SGD(model, lr=0.1),
        loader,
        2,
        unpack=lambda batch: ((batch["a"], batch["b"]), batch["y"]),
    )
    assert len(history.batch_loss) == 4
    with pytest.raises(TypeError, match=r"fit: a batch must be a tuple .* got dict; for another"):
        fit(model, LOSS, SGD(model, lr=0.1), loader, 2)
    three = DataLoader(TensorDataset(POINTS[:6], POINTS[:6], SIDES[:6]), 3)
    assert len(fit(model, LOSS, SGD(model, lr=0.1), three, 1)) == 1


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: trained(epochs=0), ValueError, "fit: epochs must be a whole number of at least 1"),
        (lambda: trained(loader=iter([])), ValueError, "the loader gave no batch in epoch 1"),
        (lambda: trained(schedule_every="step"), ValueError, "must be 'batch' or 'epoch', got 'st"),
        (lambda: trained(schedule=Plateau(), schedule_every="batch"), ValueError, "wants a metric"),
        (lambda: trained(schedule=3), TypeError, "schedule must be one of thalweg.schedules"),
        (
            lambda: trained(metrics=[accuracy, accuracy]),
            ValueError,
            "a name of its own, got accura",
        ),
        (lambda: trained(metrics={"loss": accuracy}), ValueError, "another name than 'loss'"),
        (lambda: trained(metrics={"a": 3}), TypeError, "metric 'a' must be a function, got 3"),
        (lambda: fit(3, LOSS, None, [], 1), TypeError, "fit: model must be a Module, got int"),
        (lambda: evaluate(network(), 3, []), TypeError, "evaluate: loss must be a function"),
        (lambda: evaluate(network(), LOSS, []), ValueError, "there is no batch to evaluate on"),
        (lambda: accuracy(POINTS, POINTS), ValueError, "accuracy: output must have scores"),
        (lambda: accuracy(POINTS[:0], SIDES[:0]), ValueError, "there must be at least one label"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()


def test_accuracy_is_the_share_of_labels_read_right():
    assert accuracy(np.array([[1.0, 2], [2, 1], [0, 3]]), [1, 1, 1]) == pytest.approx(2 / 3)
    assert accuracy(np.array([1, 0, 1]), [1, 1, 1]) == pytest.approx(2 / 3)
    assert accuracy(np.array([0.3, -1.0]) > 0, [True, True]) == 0.5
    assert accuracy(np.zeros((2, 3, 4)), np.zeros((2, 4), int)) == 1


def test_nothing_is_shown_in_a_pipe_unless_wanted(capsys):
    trained()
    assert capsys.readouterr().out == ""
    trained(progress=True, metrics=[accuracy], validation=DataLoader(OTHERS, 7))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/3: loss 0.")
    assert ", accuracy 0." in lines[0]
    assert "; validation loss 0." in lines[0]


def test_a_terminal_shows_lines_and_with_rich_a_bar_as_well(monkeypatch):
    assert type(progress_for(None, 3, io.StringIO())) is Silent
    assert type(progress_for(False, 3, Terminal())) is Silent
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert type(progress_for(None, 3, Terminal())) is Lines
    monkeypatch.undo()
    pytest.importorskip("rich")
    stream = Terminal()
    shown = progress_for(None, 3, stream)
    assert type(shown) is Bar
    with shown:
        shown.batch(0.25)
        shown.epoch("epoch 1/1: loss 0.2500")
    assert "epoch 1/1: loss 0.2500" in stream.getvalue()


def test_a_picture_of_losses_and_metrics_in_one_call():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    history = trained(validation=DataLoader(OTHERS, 7), metrics=[accuracy])
    try:
        losses, metrics = history.plot().axes
        assert losses.get_xlabel() == "epoch"
        drawn = {line.get_label(): line.get_ydata() for line in losses.lines}
        assert set(drawn) == {"one batch", "training", "validation"}
        np.testing.assert_array_equal(drawn["validation"], history.validation_loss)
        places = {line.get_label(): line.get_xdata() for line in losses.lines}
        np.testing.assert_allclose(places["one batch"], np.arange(1, 13) / 4)
        np.testing.assert_allclose(places["training"], [0.5, 1.5, 2.5])
        np.testing.assert_allclose(places["validation"], [1, 2, 3])
        assert [line.get_label() for line in metrics.lines] == [
            "accuracy, training",
            "accuracy, validation",
        ]
        assert len(trained().plot().axes) == 1
        _, axes = plt.subplots()
        assert history.plot(axes) is axes.figure
        assert len(axes.figure.axes) == 1
    finally:
        plt.close("all")


def test_without_matplotlib_the_plot_says_what_to_install():
    code = """
import sys
sys.modules["matplotlib"] = None
import numpy as np
from thalweg.mytorch import History
try:
    History(*[np.ones(2)] * 5).plot()
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout == "History.plot: pictures need matplotlib: pip install 'thalweg[lab]'\n"


def test_a_run_without_an_epoch_can_be_drawn():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            History(*[np.empty(0)] * 5, stopped="the loss is nan").plot()
    finally:
        plt.close("all")
