"""What every optimizer of the evidence gets: the tasks, the searched ranges, and one budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from thalweg.lab.contest import Budget
from thalweg.lab.work import Source

__all__ = ["BASELINE", "OPTIMIZERS", "RESULTS", "TASKS", "Sized"]

RESULTS = Path(__file__).parent / "results"

BASELINE = "AdamW"
TRIALS, SEEDS = 20, 10
SCHEDULE = "warmup(0.1 * steps) >> cosine(0.9 * steps)"

# The same for all: lr from 1e-5 to 1, as `thalweg compare` has it, and these.
_FIRST, _SECOND, _DECAY = "0.8..0.99", "0.9..0.999", "weight_decay=1e-5..0.3"
_BETAS = f"betas=({_FIRST}, {_SECOND}), {_DECAY}"
OPTIMIZERS = (
    f"adamw({_BETAS})",
    f"sgd(momentum={_FIRST}, {_DECAY})",
    f"radam({_BETAS}, decoupled_weight_decay=true)",
    f"ranger({_BETAS})",
    f"lion({_BETAS})",
    f"adan(betas=({_FIRST}, {_FIRST}, {_SECOND}), {_DECAY})",
    f"muon(momentum={_FIRST}, {_DECAY})",
    f"soap({_BETAS})",
)


@dataclass(frozen=True)
class Sized:
    """A task, and how long each of its trainings is."""

    title: str
    source: Source
    epochs: int

    @property
    def budget(self) -> Budget:
        return Budget(
            seeds=SEEDS,
            epochs=self.epochs,
            batch_size=self.source.batch_size,
            trials=TRIALS,
            schedule=SCHEDULE,
        )


def _own(title: str, file: str, backend: str, batch_size: int, epochs: int) -> Sized:
    return Sized(title, Source(None, f"{file}:task", backend, batch_size), epochs)


_TASKS = "benchmarks/evidence/tasks"
TASKS = {
    "digits-mlp": Sized("Digits, a perceptron", Source("digits", "mlp", "mytorch", 64), 20),
    "digits-cnn": Sized("Digits, convolutions", Source("digits", "cnn", "mytorch", 64), 8),
    "diabetes": _own("Diabetes, a table", "examples/tasks/diabetes.py", "mytorch", 25, 20),
    "picture": _own("A picture as a function", f"{_TASKS}/picture.py", "torch", 256, 30),
    "physics": _own("Poisson's equation", f"{_TASKS}/physics.py", "torch", 128, 25),
    "characters": _own("A model of characters", f"{_TASKS}/characters.py", "torch", 16, 20),
}
