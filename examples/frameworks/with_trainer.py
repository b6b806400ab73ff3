"""The digits under Hugging Face's Trainer: AdamW with an average of the weights, which it saves.

python examples/frameworks/with_trainer.py
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainingArguments, set_seed

import thalweg.optim as optim
from thalweg.averaging import EMA
from thalweg.integrations.transformers import EvaluationWeights


class Digits(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
        )

    def forward(self, image, labels):
        logits = self.net(image)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


def rows(images, labels):
    pairs = zip(torch.tensor(images / 16, dtype=torch.float32), labels, strict=True)
    return [{"image": image, "labels": int(label)} for image, label in pairs]


def main() -> None:
    set_seed(0)
    parts = train_test_split(*load_digits(return_X_y=True), test_size=0.2, random_state=0)
    trainer = Trainer(
        Digits(),
        TrainingArguments(
            "runs/trainer",
            num_train_epochs=5,
            per_device_train_batch_size=32,
            eval_strategy="epoch",
            save_strategy="epoch",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=rows(parts[0], parts[2]),
        eval_dataset=rows(parts[1], parts[3]),
        compute_metrics=lambda p: {"accuracy": (p.predictions.argmax(1) == p.label_ids).mean()},
        optimizer_cls_and_kwargs=(optim.AdamW, {"lr": 3e-3, "average": EMA(0.98)}),
        callbacks=[EvaluationWeights()],
    )
    trainer.train()
    print(f"accuracy {trainer.evaluate()['eval_accuracy']:.3f}")


if __name__ == "__main__":
    main()
