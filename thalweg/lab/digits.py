"""Scikit-learn's 1,797 handwritten digits, split once and for all."""

from typing import NamedTuple

import numpy as np

__all__ = ["CLASSES", "PIXELS", "Task", "load_tasks"]

PIXELS = 64
CLASSES = 10

_TEST_SHARE = 1 / 3
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
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.data / digits.data.max()).astype(np.float32)
    labels = digits.target.astype(np.int64)
    final = _hold_out(images, labels, _TEST_SHARE)
    return _hold_out(final.images, final.labels, _VALIDATION_SHARE), final


def _hold_out(images: np.ndarray, labels: np.ndarray, share: float) -> Task:
    from sklearn.model_selection import train_test_split

    parts = train_test_split(
        images, labels, test_size=share, stratify=labels, random_state=_SPLIT_SEED
    )
    train_images, held_images, train_labels, held_labels = parts
    return Task(train_images, train_labels, held_images, held_labels)
