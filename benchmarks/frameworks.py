"""Whole trainings inside frameworks, in turns: the time with our optimizers over torch's."""

import functools
import importlib.util
import logging
import math
import os
import warnings
from collections.abc import Callable
from typing import Any

import torch
from flags import make_parser, positive
from report import Report, Target, make_table
from turns import clock_of, described, quick, ratio

import thalweg.optim as optim
from thalweg.lab.bench.alternate import Estimate

SETTINGS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.05, "momentum": 0.9},
    "AdamW": {"lr": 1e-3},
    "Adafactor": {"lr": 1e-2},
}
BATCH, BATCHES = 32, 40


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(16, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(64, 2))


@functools.cache
def data() -> tuple[torch.Tensor, torch.Tensor]:
    inputs = torch.randn(BATCH * BATCHES, 16, generator=torch.Generator().manual_seed(0))
    return inputs, (inputs[:, 0] * inputs[:, 1] > 0).long()


def on_lightning(make: Any, settings: dict[str, Any]) -> Callable[[], Any]:
    """An epoch under Lightning's trainer; what is timed is its `fit`."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return make(self.net.parameters(), **settings)

    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), BATCH)
    return functools.partial(trainer.fit, Module(), rows)


def on_skorch(make: Any, settings: dict[str, Any]) -> Callable[[], Any]:
    """An epoch of skorch's classifier."""
    import skorch

    net = skorch.NeuralNetClassifier(
        network(),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=make,
        **{f"optimizer__{key}": value for key, value in settings.items()},
        max_epochs=1,
        batch_size=BATCH,
        train_split=None,
        verbose=0,
    ).initialize()
    inputs, labels = data()
    return functools.partial(net.partial_fit, inputs.numpy(), labels.numpy())


def on_stable_baselines3(make: Any, settings: dict[str, Any]) -> Callable[[], Any]:
    """What PPO learns from 512 moments on a pole."""
    import stable_baselines3

    more = {key: value for key, value in settings.items() if key != "lr"}
    torch.manual_seed(0)
    model = stable_baselines3.PPO(
        "MlpPolicy",
        "CartPole-v1",
        learning_rate=settings["lr"] / 10,
        n_steps=512,
        policy_kwargs={"optimizer_class": make, "optimizer_kwargs": more},
        seed=0,
        device="cpu",
    )
    return functools.partial(model.learn, 512)


HOSTS = {
    "lightning": on_lightning,
    "skorch": on_skorch,
    "stable_baselines3": on_stable_baselines3,
}
TARGETS = tuple(
    Target(f"{host}, {name}: ours / torch", "<=", 1.0) for host in HOSTS for name in SETTINGS
)


def in_turns(host: str, name: str, rounds: int, threads: int) -> dict[str, list[float]]:
    """Seconds of each training of both sides, each made anew, in turns."""
    clock = clock_of(threads)
    found: dict[str, list[float]] = {"ours": [], "torch": []}
    for turn in range(rounds + 1):
        sides = ("ours", "torch") if turn % 2 else ("torch", "ours")
        for side in sides:
            library = optim if side == "ours" else torch.optim
            train = HOSTS[host](getattr(library, name), SETTINGS[name])
            start = clock()
            train()
            if turn:  # the first warms up, and brings the kernels
                found[side].append(clock() - start)
    return found


def main() -> None:
    parser = make_parser(__doc__ or "", list(HOSTS))
    parser.add_argument("--rounds", type=positive, default=9, help="default: %(default)s")
    asked = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    report = Report(asked)
    torch.set_num_threads(asked.threads)
    table = make_table("", "ours, ms", "torch", "ours / torch")
    found: dict[str, Estimate] = {}
    results: dict[str, Any] = {}
    for host in [asked.only] if asked.only else HOSTS:
        if importlib.util.find_spec(host) is None:
            report.console.print(f"{host} is not installed: make frameworks, and its environment")
            continue
        for name in SETTINGS:
            what = f"{host}, {name}"
            with report.console.status(what):
                times = in_turns(host, name, asked.rounds, asked.threads)
            one = found[f"{what}: ours / torch"] = ratio(times["ours"], times["torch"])
            shown = [f"{1e3 * quick(times[side]):.4g}" for side in times]
            table.add_row(what, *shown, f"{one.value:.2f}" if math.isfinite(one.value) else "-")
            results[what] = {side: described(values) for side, values in times.items()}
    report.console.print(table)
    report.close({"rounds": asked.rounds, "seconds": results}, TARGETS, found)


if __name__ == "__main__":
    main()
