"""A small convolutional network learns to read handwritten digits, its matrices by Muon.

    python examples/digits_muon.py
    python examples/digits_muon.py --others-only

Muon steps the hidden convolutions and matrices, AdamW biases, norms and the last layer: one
optimizer, made from the model. With --others-only AdamW steps everything, to compare. It prints how
the loss falls, and ends with the share of images read right among those that it was not trained on.
"""

import argparse

from thalweg.mytorch import data, manual_seed, nn, no_grad, optim

EPOCHS = 10

parser = argparse.ArgumentParser(description="Train a convolutional network by Muon.")
parser.add_argument("--others-only", action="store_true", help="AdamW for everything")
chosen = parser.parse_args()

# Every run draws the same initial weights and the same batches.
manual_seed(0)

model = nn.Sequential(
    nn.Conv2d(1, 16, 5, padding=2),  # 1 x 8 x 8 pixels become 16 x 8 x 8
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.MaxPool2d(2),  # 16 x 4 x 4
    nn.Conv2d(16, 32, 3, padding=1),  # 32 x 4 x 4
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.MaxPool2d(2),  # 32 x 2 x 2
    nn.Flatten(),
    nn.Linear(128, 64),
    nn.ReLU(),
    nn.Linear(64, 10),  # a score for each digit
)
loss_of = nn.CrossEntropyLoss()
batches = data.DataLoader(data.digits(train=True), batch_size=32, shuffle=True)

if chosen.others_only:
    optimizer = optim.AdamW(model, lr=0.003)
else:
    optimizer = optim.Muon(model, lr=0.01, flatten=True, others=optim.AdamW, others_lr=0.003)
    matrices, others = optimizer.param_groups
    print(f"Muon:  {', '.join(matrices['param_names'])}")
    print(f"AdamW: {', '.join(others['param_names'])}")

schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)  # of both rules
for epoch in range(1, EPOCHS + 1):
    losses = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    schedule.step()
    print(f"epoch {epoch:2}: loss {sum(losses) / len(losses):.4f}")

images, labels = data.digits(train=False).arrays
model.eval()  # BatchNorm2d now uses what it has learned of all images
with no_grad():
    guesses = model(images).numpy().argmax(axis=1)
print(f"{(guesses == labels).mean():.1%} of {len(labels)} test images read right")
