"""What there is to learn from, and batches of it."""

from thalweg.mytorch.data.bundled import digits
from thalweg.mytorch.data.dataset import Dataset, Subset, TensorDataset, random_split
from thalweg.mytorch.data.idx import mnist
from thalweg.mytorch.data.loader import DataLoader
from thalweg.mytorch.data.tables import csv

__all__ = [
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "csv",
    "digits",
    "mnist",
    "random_split",
]
