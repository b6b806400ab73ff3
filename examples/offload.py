"""A network on an accelerator whose optimizer lives on the CPU: its states take no device memory.

    python examples/offload.py

It learns to read digits and prints the share of images read right among those that it was not
trained on. Where there is no accelerator the network is on the CPU, too, and learns the same. Needs
`pip install 'thalweg[lab,torch]'`.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import thalweg.optim as optim

EPOCHS = 10
device = torch.accelerator.current_accelerator() or torch.device("cpu")

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.data, dtype=torch.float32, device=device) / 16
labels = torch.tensor(digits.target, device=device)
training, held_out = torch.randperm(len(labels)).split([1400, len(labels) - 1400])

model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10)).to(device)
loss_of = nn.CrossEntropyLoss()
# The gradients go to the CPU while the backward pass runs, and are not kept on the device.
optimizer = optim.offload(model, optim.AdamW, lr=0.01, free_gradients=True)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)

for epoch in range(1, EPOCHS + 1):
    total = 0.0
    for batch in training[torch.randperm(1400)].split(50):
        optimizer.zero_grad()
        loss = loss_of(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        total += loss.item()
    schedule.step()
    print(f"epoch {epoch:2}: loss {total / 28:.4f}")

guesses = model(images[held_out]).argmax(1)
right = (guesses == labels[held_out]).float().mean().item()
print(f"{right:.1%} of {len(guesses)} images read right on {device}")
