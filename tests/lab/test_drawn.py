"""A rule that asks for the gradient on drawn targets gets it, of the right distribution."""

import numpy as np
import pytest

from tests.lab.test_backends import played
from thalweg.lab.contest import Budget, Contest
from thalweg.lab.contestants import enter
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import load_backend
from thalweg.lab.range_test import lr_find
from thalweg.lab.stepping import Stepping
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.tasks.drawn import draw_of, own_settings
from thalweg.lab.tasks.task import Material
from thalweg.mytorch import nn, optim
from thalweg.rule import Rule


def test_classes_come_as_often_as_the_model_says():
    scores = np.log(np.array([[0.2, 0.3, 0.5], [0.9, 0.1, 1e-9]], np.float32))
    many = np.repeat(scores[:, None], 20_000, axis=1).reshape(-1, 3)
    drawn = draw_of(nn.CrossEntropyLoss())(many, np.random.default_rng(0)).reshape(2, -1)
    shares = np.stack([(drawn == k).mean(axis=1) for k in range(3)], axis=1)
    np.testing.assert_allclose(shares, np.exp(scores), atol=0.015)  # four deviations


def test_the_classes_are_the_second_axis_as_torch_has_it():
    scores = np.full((4, 3, 5), -50.0)
    scores[:, 1] = 50
    drawn = draw_of(nn.functional.cross_entropy)(scores, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, np.ones((4, 5), int))


@pytest.mark.parametrize(
    ("loss", "curvature"),
    [
        (nn.MSELoss(), lambda out: np.full_like(out, 2.0)),
        (nn.BCEWithLogitsLoss(), lambda out: np.exp(out) / (1 + np.exp(out)) ** 2),
    ],
)
def test_the_squared_gradient_is_the_curvature_on_average(loss, curvature):
    """What Sophia is for: E[(dl/do)^2] is the second derivative, of a loss of one number."""
    out = np.array([-1.0, 0.3, 2.0])
    draw, random, n = draw_of(loss), np.random.default_rng(0), 20_000
    many = np.repeat(out[None], n, axis=0)
    drawn = draw(many, random)
    slope = (
        (2 * (many - drawn)) if isinstance(loss, nn.MSELoss) else 1 / (1 + np.exp(-many)) - drawn
    )
    np.testing.assert_allclose((slope**2).mean(axis=0), curvature(out), rtol=0.06)


def test_another_loss_says_how_itself_or_is_asked_to():
    def huber(output, target):
        return nn.functional.huber_loss(output, target)

    with pytest.raises(UserError, match=r"and huber does not say how: give it a function `sampled"):
        draw_of(huber)
    asked = []
    huber.sampled = lambda output: asked.append(1) or np.zeros(output.shape, np.float32)
    model = nn.Linear(2, 1)
    batch = (np.ones((3, 2), np.float32), np.ones((3, 1), np.float32))
    material = Material(model, huber, [batch], [batch], None, None)
    take = Stepping(optim.Sophia(model, lr=0.1, k=2), material, load_backend("mytorch"), 0)
    for number in range(4):
        take(batch, number)
    assert len(asked) == 2


def test_both_frameworks_draw_the_same():
    pytest.importorskip("torch")
    ours, torchs = (played(name, "Sophia", batch_size=64) for name in ("mytorch", "torch"))
    # twelve steps, the first and the eleventh with drawn labels; later a clipped step that is just
    # not clipped in the other makes more of a rounding
    assert ours.curve.train_loss[:12] == pytest.approx(torchs.curve.train_loss[:12], rel=1e-4)
    assert ours.curve.train_loss[-1] < 0.9 * ours.curve.train_loss[0]


@pytest.mark.parametrize("framework", ["mytorch", "torch"])
def test_a_task_tells_the_curvature(framework):
    if framework == "torch":
        pytest.importorskip("torch")
    loss = played(framework, "AdaHessian", eps=0.1).curve.train_loss
    assert loss[-1] < 0.9 * loss[0]


def test_the_number_of_targets_is_the_tasks_unless_it_is_given():
    task = open_task("digits", "mlp", "mytorch", 32)
    assert own_settings("Sophia", {}, task) == {"batch_size": 32}
    assert own_settings("Sophia", {"batch_size": 5}, task) == {}
    assert own_settings("Adam", {}, task) == {}
    contest = Contest(enter(["sophia", "sophia(batch_size=7)"], ["0.01"]), Budget(1, 1), task)
    assert [one.contestant.settings({}) for one in contest.entries] == [
        {"batch_size": 32, "lr": 0.01},
        {"batch_size": 7, "lr": 0.01},
    ]


@pytest.mark.parametrize("name", ["Sophia", "SAM", "AdaHessian"])
def test_a_range_test_asks_too(name):
    material = open_task("digits", "mlp", "mytorch", 64).start(1)
    opt = getattr(optim, name)(material.model, lr=1e-3)
    found = lr_find(material.model, material.loss, material.train, opt, low=1e-4, steps=60)
    assert found.suggested is not None
    assert found.loss.min() < 0.7 * found.loss[0]


def test_a_loss_that_no_task_has_is_said():
    from thalweg.requests import gradient

    class Odd(Rule):
        lr: float = 0.1

        @staticmethod
        def update(p, g, lr):
            u = lr * gradient(p, "moon")
            return u

    model = nn.Linear(2, 1)
    opt = optim.optimizer(Odd)(model)
    with pytest.raises(TypeError, match="asks for the gradient of the 'moon' loss, which no task"):
        lr_find(model, nn.MSELoss(), [(np.ones((1, 2)), np.ones((1, 1)))], opt)
