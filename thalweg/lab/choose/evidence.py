"""What studies have found that compare optimizers under one budget, and what can be counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["STUDIES", "Fact", "memory_of"]


@dataclass(frozen=True)
class Fact:
    """One finding, and where it is from."""

    text: str
    source: str


STUDIES: Mapping[str, Fact] = {
    "crowded valley": Fact(
        "Of 15 optimizers on 8 tasks with 4 tuning budgets and 4 schedules none is ahead on all; "
        "trying several with their defaults does about as well as tuning one.",
        "Schmidt, Schneider and Hennig 2021, arXiv:2007.01547",
    ),
    "tuning counts": Fact(
        "Where each trial of the search is counted, Adam with nothing but its lr tuned is the "
        "practical choice for few trials.",
        "Sivaprasad et al. 2020, arXiv:1910.11758",
    ),
    "algoperf": Fact(
        "Where nothing may be tuned for a task, Schedule-Free AdamW was the best entry: to its "
        "targets in about 8% less time than the NAdamW baseline, over eight workloads.",
        "Kasimbeg et al. 2025 (AlgoPerf), arXiv:2502.15015",
    ),
    "matrices": Fact(
        "Methods that look at whole matrices, Muon among them, need 1.4 times fewer steps than a "
        "tuned AdamW at 0.1 billion weights, and 1.1 times fewer at 1.2 billion.",
        "Wen et al. 2025, arXiv:2509.02046",
    ),
    "tuned adamw": Fact(
        "Tuning AdamW's lr alone makes pretraining up to 2 times as fast.",
        "Wen et al. 2025, arXiv:2509.02046",
    ),
    "batch and horizon": Fact(
        "Which of eleven and more optimizers is ahead on language models of 124 to 720 million "
        "weights changes with the batch and with the length of the training.",
        "Semenov, Pagliardini and Jaggi 2025, arXiv:2509.01440",
    ),
}

# bytes of state for each float32 weight, of what is no single rule
_BESIDE = {
    "Muon": "4 for each weight of a matrix, and AdamW's 8 for the others",
    "LBFGS": "8 times history_size: 800 by default",
}


def memory_of(name: str) -> Fact:
    """The bytes of state that an optimizer keeps for each weight of float32."""
    if name in _BESIDE:
        return Fact(f"{name} keeps {_BESIDE[name]}, in bytes.", "counted from its states")
    from thalweg.lab.facts import facts
    from thalweg.lab.listing import named

    size = facts(named(name)).bytes_per_element
    return Fact(f"{name} keeps {size} bytes of state for each float32 weight.", "counted")
