"""Every optimizer by its name in timm's factory.

python examples/frameworks/with_timm.py
"""

import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler

from thalweg.integrations.timm import register


def main() -> None:
    torch.manual_seed(0)
    names = register()
    print(f"{len(names)} optimizers, among them {', '.join(names[:3])}")
    model = timm.create_model("resnet10t", num_classes=10)
    opt = create_optimizer_v2(model, "thalweglamb", lr=1e-2, weight_decay=0.02)
    schedule = CosineLRScheduler(opt, t_initial=3)
    images, labels = torch.randn(8, 3, 64, 64), torch.randint(10, (8,))
    for epoch in range(3):
        opt.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        opt.step()
        schedule.step(epoch + 1)
        print(f"step {epoch + 1}: loss {loss:.3f}")


if __name__ == "__main__":
    main()
