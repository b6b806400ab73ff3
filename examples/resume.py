"""A training that is stopped and taken up again: run it, press Ctrl-C, run it again.

    python examples/resume.py

After every epoch the whole training goes into runs/resume.safetensors. The next start reads it and
goes on; the losses are those of a training that never stopped. Delete the file to begin anew.
Needs `pip install 'thalweg[lab]'`.
"""

from pathlib import Path

from thalweg.mytorch import checkpoint, data, manual_seed, nn, optim
from thalweg.schedules import cosine

EPOCHS = 20
saved = Path("runs") / "resume.safetensors"

manual_seed(0)
model = nn.Sequential(
    nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10)
)
loss_of = nn.CrossEntropyLoss()
batches = data.DataLoader(data.digits(train=True), batch_size=16, shuffle=True, seed=0)
optimizer = optim.AdamW(model, lr=0.003)
schedule = optim.Scheduler(optimizer, cosine(EPOCHS))

if saved.exists():
    checkpoint.load(saved, model, optimizer, schedule)
    batches.epoch = schedule.last_epoch  # what decides the order of the images
    print(f"{saved}: {schedule.last_epoch} of {EPOCHS} epochs are done")
saved.parent.mkdir(exist_ok=True)

for epoch in range(schedule.last_epoch + 1, EPOCHS + 1):
    total = 0.0
    for images, labels in batches:
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    schedule.step()
    checkpoint.save(saved, model, optimizer, schedule)
    print(f"epoch {epoch:2}: loss {total / len(batches):.6f}")
