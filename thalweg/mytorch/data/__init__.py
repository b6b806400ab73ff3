"""What there is to learn from, and batches of it."""

from thalweg.mytorch.data.bundled import digits
from thalweg.mytorch.data.collate import default_collate
from thalweg.mytorch.data.dataset import (
    ConcatDataset,
    Dataset,
    Subset,
    TensorDataset,
    random_split,
)
from thalweg.mytorch.data.idx import mnist
from thalweg.mytorch.data.loader import DataLoader
from thalweg.mytorch.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from thalweg.mytorch.data.tables import csv

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "csv",
    "default_collate",
    "digits",
    "mnist",
    "random_split",
]
