"""Hugging Face's Trainer trains with an optimizer of ours as with torch's, and goes on."""

import logging

import pytest
import torch

import thalweg.optim as optim
from tests.frameworks.made import (
    BATCH,
    INPUTS,
    LABELS,
    LOOKED_AT,
    TWINS,
    assert_close,
    flat,
    loss_of,
    network,
    of_ours,
    of_torch,
)

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, x, labels=None):
        output = self.net(x)
        return {"loss": loss_of(output, labels), "logits": output}


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return len(INPUTS)

    def __getitem__(self, i):
        return {"x": INPUTS[i], "labels": LABELS[i]}


def trainer_of(folder, make=None, settings=None, callbacks=(), scheduler=None, **more):
    transformers.set_seed(0)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    model = Model()
    args = transformers.TrainingArguments(
        str(folder),
        num_train_epochs=4,
        per_device_train_batch_size=BATCH,
        gradient_accumulation_steps=2,
        max_grad_norm=0.5,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        **{"save_strategy": "epoch", "eval_strategy": "epoch", **more.pop("args", {})},
    )
    if make is not None:
        opt = make(model.parameters(), **settings)
        step = torch.optim.lr_scheduler.StepLR(opt, 5, 0.9)
        more["optimizers"] = (opt, scheduler(opt) if scheduler else step)
    return transformers.Trainer(
        model, args, train_dataset=Rows(), eval_dataset=Rows(), callbacks=[*callbacks], **more
    )


def trained(folder, make=None, settings=None, start=None, **more):
    trainer = trainer_of(folder, make, settings, **more)
    trainer.train(resume_from_checkpoint=start)
    return trainer


@pytest.mark.parametrize("name", TWINS)
def test_accumulated_and_clipped_it_goes_where_torch_goes(tmp_path, name):
    ours = trained(tmp_path / "ours", *of_ours(name))
    torchs = trained(tmp_path / "torch", *of_torch(name))
    assert_close(flat(ours.model), flat(torchs.model))


def test_a_class_and_its_settings_do_too(tmp_path):
    (ours, settings), (torchs, _) = of_ours("AdamW"), of_torch("AdamW")
    one, other = (
        trained(tmp_path / str(i), optimizer_cls_and_kwargs=(cls, settings))
        for i, cls in enumerate((ours, torchs))
    )
    assert isinstance(one.optimizer.optimizer, ours)
    assert_close(flat(one.model), flat(other.model))


@pytest.mark.parametrize("name", [*TWINS, *LOOKED_AT])
def test_a_training_that_goes_on_is_the_one_that_was_not_stopped(tmp_path, name):
    """Also where the checkpoint was written on the weights to look at."""
    made = LOOKED_AT[name] if name in LOOKED_AT else of_ours(name)
    whole = trained(tmp_path / "whole", *made)
    again = trained(tmp_path / "again", *made, start=str(tmp_path / "whole" / "checkpoint-6"))
    assert torch.equal(flat(whole.model), flat(again.model))


@pytest.mark.parametrize("name", LOOKED_AT)
@pytest.mark.parametrize("evaluates", ["epoch", "no"])
def test_with_the_callback_files_and_model_have_the_weights_to_look_at(tmp_path, name, evaluates):
    from thalweg.integrations.transformers import EvaluationWeights

    trainer = trained(
        tmp_path,
        *LOOKED_AT[name],
        callbacks=[EvaluationWeights()],
        args={"eval_strategy": evaluates},
    )
    opt = trainer.optimizer.optimizer
    shown = flat(trainer.model)
    opt.train()
    assert not torch.equal(flat(trainer.model), shown)
    with opt.evaluation():
        assert torch.equal(flat(trainer.model), shown)
    saved = transformers.trainer_utils.get_last_checkpoint(str(tmp_path))
    fresh = trainer_of(tmp_path, *LOOKED_AT[name])
    fresh._load_from_checkpoint(saved)
    assert torch.equal(flat(fresh.model), shown)


def test_their_schedules_move_our_optimizer_and_ours_theirs(tmp_path):
    def theirs(opt):
        return transformers.get_scheduler("cosine", opt, 2, 12)

    one = trained(tmp_path / "1", *of_ours("AdamW"), scheduler=theirs)
    other = trained(tmp_path / "2", *of_torch("AdamW"), scheduler=theirs)
    assert_close(flat(one.model), flat(other.model))

    def ours(opt):
        return optim.lr_scheduler.CosineAnnealingLR(opt, 12)

    def torchs(opt):
        return torch.optim.lr_scheduler.CosineAnnealingLR(opt, 12)

    one = trained(tmp_path / "3", *of_torch("AdamW"), scheduler=ours)
    other = trained(tmp_path / "4", *of_torch("AdamW"), scheduler=torchs)
    assert_close(flat(one.model), flat(other.model))
