"""Lightning trains with an optimizer of ours as with torch's, and goes on where it stopped."""

import logging

import pytest
import torch

from tests.frameworks.made import (
    LOOKED_AT,
    TWINS,
    assert_close,
    flat,
    loader,
    loss_of,
    network,
    of_ours,
    of_torch,
)

lightning = pytest.importorskip("lightning", reason="lightning is not installed")
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, WeightAveraging  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def quiet():
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


class Module(lightning.LightningModule):
    def __init__(self, make, settings):
        super().__init__()
        self.net, self._make = network(), (make, settings)
        self.seen = []

    def training_step(self, batch, number):
        return loss_of(self.net(batch[0]), batch[1])

    def validation_step(self, batch, number):
        self.seen.append(flat(self.net))
        self.log("loss", loss_of(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        make, settings = self._make
        opt = make(self.net.parameters(), **settings)
        scheduler = torch.optim.lr_scheduler.StepLR(opt, 5, 0.9)
        return {
            "optimizer": opt,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step", "name": "rate"},
        }


def trained(folder, make, settings, callbacks=(), start=None, **more):
    module = Module(make, settings)
    keeper = ModelCheckpoint(dirpath=folder, save_top_k=-1, filename="{epoch}")
    options = {
        "max_epochs": 4,
        "gradient_clip_val": 0.5,
        "accumulate_grad_batches": 2,
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    trainer = lightning.Trainer(callbacks=[*callbacks, keeper], **{**options, **more})
    trainer.fit(module, loader(), loader(), ckpt_path=start, weights_only=False)
    return module, trainer


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_clipped_and_accumulated_it_goes_where_torch_goes(tmp_path, name, precision):
    ours, _ = trained(tmp_path / "ours", *of_ours(name), precision=precision)
    torchs, _ = trained(tmp_path / "torch", *of_torch(name), precision=precision)
    assert_close(flat(ours), flat(torchs))


@pytest.mark.parametrize("name", ["AdamW", "Adafactor"])
def test_a_training_that_goes_on_is_the_one_that_was_not_stopped(tmp_path, name):
    whole, _ = trained(tmp_path / "whole", *of_ours(name))
    start = tmp_path / "whole" / "epoch=1.ckpt"
    again, _ = trained(tmp_path / "again", *of_ours(name), start=start)
    assert torch.equal(flat(whole), flat(again))


@pytest.mark.parametrize("name", LOOKED_AT)
def test_the_callback_validates_on_the_weights_to_look_at(tmp_path, name):
    from thalweg.integrations.lightning import EvaluationWeights

    module, trainer = trained(tmp_path, *LOOKED_AT[name], [EvaluationWeights()])
    own = flat(module.net)
    with trainer.optimizers[0].evaluation():
        looked_at = flat(module.net)
    assert torch.equal(module.seen[-1], looked_at)
    assert not torch.equal(own, looked_at)


@pytest.mark.parametrize("name", LOOKED_AT)
def test_what_the_callback_saves_is_looked_at_and_goes_on_all_the_same(tmp_path, name):
    from thalweg.integrations.lightning import EvaluationWeights

    whole, _ = trained(tmp_path / "whole", *LOOKED_AT[name], [EvaluationWeights()])
    start = tmp_path / "whole" / "epoch=1.ckpt"
    fresh = Module(*LOOKED_AT[name])
    fresh.load_state_dict(torch.load(start, weights_only=False)["state_dict"])
    assert torch.equal(flat(fresh.net), whole.seen[13])  # two to warm up, six an epoch
    again, _ = trained(tmp_path / "again", *LOOKED_AT[name], [EvaluationWeights()], start=start)
    assert torch.equal(flat(whole), flat(again))


def test_without_an_optimizer_that_keeps_other_weights_the_callback_changes_nothing(tmp_path):
    from thalweg.integrations.lightning import EvaluationWeights

    plain, _ = trained(tmp_path / "plain", *of_torch("AdamW"))
    other, _ = trained(tmp_path / "other", *of_torch("AdamW"), [EvaluationWeights()])
    assert torch.equal(flat(plain), flat(other))


def test_its_own_averaging_and_its_monitor_take_our_optimizer(tmp_path):
    from lightning.pytorch.loggers import CSVLogger

    runs = [
        trained(
            tmp_path / who,
            *of("AdamW"),
            [WeightAveraging(avg_fn=_average), LearningRateMonitor("step")],
            logger=CSVLogger(tmp_path / who),
            log_every_n_steps=1,
        )[0]
        for who, of in (("ours", of_ours), ("torch", of_torch))
    ]
    assert_close(*map(flat, runs))
    rates = (tmp_path / "ours" / "lightning_logs" / "version_0" / "metrics.csv").read_text()
    assert "rate" in rates.splitlines()[0]


def _average(old, new, count):
    return old + 0.1 * (new - old)


class Adversaries(lightning.LightningModule):
    """Two optimizers, stepped by hand in turns."""

    def __init__(self, make, settings):
        super().__init__()
        self.automatic_optimization = False
        self.one, self.other, self._make = network(0), network(1), (make, settings)

    def training_step(self, batch, number):
        for opt, net in zip(self.optimizers(), (self.one, self.other), strict=True):
            opt.zero_grad()
            self.manual_backward(loss_of(net(batch[0]), batch[1]))
            opt.step()

    def configure_optimizers(self):
        make, settings = self._make
        return [make(net.parameters(), **settings) for net in (self.one, self.other)]


def test_two_optimizers_by_hand(tmp_path):
    runs = []
    for make, settings in (of_ours("AdamW"), of_torch("AdamW")):
        module = Adversaries(make, settings)
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(module, loader())
        runs.append(flat(module))
    assert_close(*runs)
