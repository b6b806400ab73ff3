"""Ten training loops in the shape of scripts that many people start from, in our own words.

Each is a generator, `train(optim)`: `optim` is `torch.optim` or `thalweg.optim`, all that is
swapped, and what is yielded is the loss of one iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from scripts.public import (
    character_transformer,
    digits_cnn,
    digits_gan,
    digits_vae,
    graph_network,
    policy_gradient,
    q_learning,
    similar_pairs,
    style_transfer,
    word_model,
)

__all__ = ["SCRIPTS"]

SCRIPTS: dict[str, Callable[[Any], Iterator[float]]] = {
    module.__name__.rpartition(".")[2]: module.train
    for module in (
        digits_cnn,
        character_transformer,
        policy_gradient,
        q_learning,
        graph_network,
        digits_vae,
        digits_gan,
        style_transfer,
        word_model,
        similar_pairs,
    )
}
