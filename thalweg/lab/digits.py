"""The handwritten digits that every optimizer learns, split once and for all."""

from typing import NamedTuple

import numpy as np

__all__ = ["CLASSES", "PIXELS", "Task", "load_tasks"]

PIXELS = 64
CLASSES = 10

_VALIDATION_SHARE = 1 / 4
_SPLIT_SEED = 0


class Task(NamedTuple):
    """Images and labels to train on, and held-out ones to score on."""

    images: np.ndarray
    labels: np.ndarray
    held_images: np.ndarray
    held_labels: np.ndarray


def load_tasks() -> tuple[Task, Task]:
    """Give the task that chooses learning rates, and the final one scored on the test third.

    The first holds out a part of the final task's training images, so nothing
    that is chosen on it has seen a test image.
    """
    from sklearn.model_selection import train_test_split

    final = Task(*_read(train=True), *_read(train=False))
    parts = train_test_split(
        final.images,
        final.labels,
        test_size=_VALIDATION_SHARE,
        stratify=final.labels,
        random_state=_SPLIT_SEED,
    )
    images, held_images, labels, held_labels = parts
    return Task(images, labels, held_images, held_labels), final


def _read(train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give a part of the digits, with each image's pixels in a row."""
    from thalweg.mytorch.data import digits

    images, labels = digits(train).arrays
    return images.reshape(-1, PIXELS), labels
