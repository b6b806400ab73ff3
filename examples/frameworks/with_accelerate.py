"""The digits with accelerate: a loop of one's own, accumulated, clipped, Schedule-Free.

accelerate launch examples/frameworks/with_accelerate.py, or python
"""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset, random_split

import thalweg.optim as optim


def main() -> None:
    set_seed(0)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    images, labels = load_digits(return_X_y=True)
    rows = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels))
    train, test = random_split(rows, [0.8, 0.2])
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    opt = optim.ScheduleFreeAdamW(net.parameters(), lr=5e-3)
    net, opt, train, test = accelerator.prepare(
        net, opt, DataLoader(train, 32, shuffle=True), DataLoader(test, 256)
    )
    for epoch in range(5):
        opt.train()  # the weights that are stepped
        for inputs, wanted in train:
            with accelerator.accumulate(net):
                accelerator.backward(cross_entropy(net(inputs), wanted))
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(net.parameters(), 1.0)
                opt.step()
                opt.zero_grad()
        opt.eval()  # the weights to look at
        with torch.no_grad():
            hits = [(net(inputs).argmax(1) == wanted).float() for inputs, wanted in test]
        accuracy = accelerator.gather(torch.cat(hits)).mean()
        accelerator.print(f"epoch {epoch + 1}: accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
