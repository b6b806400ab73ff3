"""The digits in Lightning: Ranger under a schedule, validated and saved on its slow weights.

python examples/frameworks/with_lightning.py
"""

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset, random_split

import thalweg.optim as optim
from thalweg.integrations.lightning import EvaluationWeights

EPOCHS = 8


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
        )

    def training_step(self, batch, number):
        return cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, number):
        right = self.net(batch[0]).argmax(1) == batch[1]
        self.log("accuracy", right.float().mean(), prog_bar=True)

    def configure_optimizers(self):
        opt = optim.Ranger(self, lr=2e-2, weight_decay=1e-2, decay_filter="no_bias_norm")
        return [opt], [optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)]


def main() -> None:
    lightning.seed_everything(0)
    images, labels = load_digits(return_X_y=True)
    rows = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels))
    train, test = random_split(rows, [0.8, 0.2])
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        callbacks=[EvaluationWeights(), ModelCheckpoint("runs/lightning", monitor="accuracy")],
    )
    trainer.fit(Digits(), DataLoader(train, 32, shuffle=True), DataLoader(test, 256))
    print(f"accuracy {trainer.callback_metrics['accuracy']:.3f}")


if __name__ == "__main__":
    main()
