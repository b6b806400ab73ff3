"""One training on two processes; `torchrun two_processes.py HOST LIBRARY FILE` writes weights."""

import logging
import sys
import warnings

import torch

import thalweg.optim as optim
from tests.frameworks.made import dataset, flat, loss_of, network

SETTINGS = {"lr": 0.01}


def on_accelerate(make):
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    net = network()
    opt = make(net.parameters(), **SETTINGS)
    rows = torch.utils.data.DataLoader(dataset(), 8)
    net, opt, rows = accelerator.prepare(net, opt, rows)
    for _ in range(2):
        for inputs, labels in rows:
            accelerator.backward(loss_of(net(inputs), labels))
            accelerator.clip_grad_norm_(net.parameters(), 0.5)
            opt.step()
            opt.zero_grad()
    return net, accelerator.is_main_process


def on_lightning(make):
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = network()

        def training_step(self, batch, number):
            return loss_of(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return make(self.net.parameters(), **SETTINGS)

    module = Module()
    trainer = lightning.Trainer(
        max_epochs=2,
        strategy="ddp",
        devices=2,
        accelerator="cpu",
        logger=False,
        gradient_clip_val=0.5,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, torch.utils.data.DataLoader(dataset(), 8))
    return module.net, trainer.is_global_zero


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    host, library, path = sys.argv[1:]
    make = {"ours": optim.AdamW, "torch": torch.optim.AdamW, "ranger": optim.Ranger}[library]
    net, is_main = {"accelerate": on_accelerate, "lightning": on_lightning}[host](make)
    if is_main:
        torch.save(flat(net), path)
