"""One optimizer per file: the lines of its paper, on one element."""

from thalweg.rules.adam import Adam
from thalweg.rules.radam import RAdam
from thalweg.rules.sgd import SGD

__all__ = ["SGD", "Adam", "RAdam"]
