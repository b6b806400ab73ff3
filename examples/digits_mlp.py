"""A fully connected network learns to read handwritten digits, with one of three optimizers.

    python examples/digits_mlp.py --optimizer adam

It prints how the loss falls, draws it into runs/digits-mlp-adam.png, and ends with the share of
images read right among those that it was not trained on. Needs `pip install 'thalweg[lab]'`.
"""

import argparse
from pathlib import Path

from thalweg.mytorch import data, manual_seed, nn, no_grad, optim
from thalweg.pictures.losses import plot_losses

parser = argparse.ArgumentParser(description="Train a fully connected network on digits.")
parser.add_argument("--optimizer", choices=["sgd", "adagrad", "adam"], default="adam")
chosen = parser.parse_args().optimizer

# Every run draws the same initial weights and the same batches.
manual_seed(0)

model = nn.Sequential(
    nn.Flatten(),  # 8 x 8 pixels become a row of 64
    nn.Linear(64, 256),
    nn.ReLU(),
    nn.Linear(256, 10),  # a score for each digit
)
loss_of = nn.CrossEntropyLoss()
batches = data.DataLoader(data.digits(train=True), batch_size=16, shuffle=True)

if chosen == "sgd":
    optimizer, epochs = optim.SGD(model, lr=0.1), 10
elif chosen == "adagrad":
    optimizer, epochs = optim.AdaGrad(model, lr=0.05), 10
else:
    optimizer, epochs = optim.Adam(model, lr=0.003), 20

losses = []
for epoch in range(1, epochs + 1):
    for images, labels in batches:
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch:2}: loss {sum(losses[-len(batches) :]) / len(batches):.4f}")

images, labels = data.digits(train=False).arrays
model.eval()
with no_grad():
    guesses = model(images).numpy().argmax(axis=1)
print(f"{(guesses == labels).mean():.1%} of {len(labels)} test images read right")

picture = Path("runs") / f"digits-mlp-{chosen}.png"
plot_losses(picture, losses, len(batches), f"A fully connected network, {type(optimizer).__name__}")
print(f"the loss is drawn in {picture}")
