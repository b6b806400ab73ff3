"""Scikit-learn's 1,797 handwritten digits: nothing to download."""

import numpy as np

from thalweg.mytorch.data.dataset import TensorDataset

__all__ = ["digits"]


def digits(train: bool = True) -> TensorDataset:
    """Images (N, 1, 8, 8) of float32 from 0 to 1 and labels 0 to 9: two thirds of them to train on,
    or the other third to test on.

    The split has the same share of each digit on both sides, and is always the same.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise ImportError(
            "digits: the images come with scikit-learn: pip install 'thalweg[lab]'"
        ) from None
    found = load_digits()
    parts = train_test_split(
        (found.images / 16).astype(np.float32)[:, None],
        found.target.astype(np.int64),
        test_size=1 / 3,
        stratify=found.target,
        random_state=0,
    )
    return TensorDataset(*(parts[::2] if train else parts[1::2]))
