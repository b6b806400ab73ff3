"""A small convolutional network in the manner of LeNet learns to read handwritten digits.

    python examples/digits_lenet.py --optimizer adam

It prints how the loss falls, draws it into runs/digits-lenet-adam.png, and ends with the share of
images read right among those that it was not trained on. Needs `pip install 'thalweg[lab]'`.
"""

import argparse
from pathlib import Path

from thalweg.mytorch import data, manual_seed, nn, no_grad, optim
from thalweg.pictures.losses import plot_losses

parser = argparse.ArgumentParser(description="Train a convolutional network on digits.")
parser.add_argument("--optimizer", choices=["sgd", "adam"], default="adam")
chosen = parser.parse_args().optimizer

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

if chosen == "sgd":
    optimizer = optim.SGD(model, lr=0.05, momentum=0.9)
else:
    optimizer = optim.Adam(model, lr=0.003)

losses = []
for epoch in range(1, 16):
    for images, labels in batches:
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch:2}: loss {sum(losses[-len(batches) :]) / len(batches):.4f}")

images, labels = data.digits(train=False).arrays
model.eval()  # BatchNorm2d now uses what it has learned of all images
with no_grad():
    guesses = model(images).numpy().argmax(axis=1)
print(f"{(guesses == labels).mean():.1%} of {len(labels)} test images read right")

picture = Path("runs") / f"digits-lenet-{chosen}.png"
plot_losses(picture, losses, len(batches), f"A convolutional network, {type(optimizer).__name__}")
print(f"the loss is drawn in {picture}")
