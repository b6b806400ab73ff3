"""One optimizer per file: the lines of its paper, on one element."""

from thalweg.rules.adadelta import Adadelta
from thalweg.rules.adagrad import Adagrad
from thalweg.rules.adam import Adam
from thalweg.rules.adamax import Adamax
from thalweg.rules.asgd import ASGD
from thalweg.rules.nadam import NAdam
from thalweg.rules.radam import RAdam
from thalweg.rules.rmsprop import RMSprop
from thalweg.rules.rprop import Rprop
from thalweg.rules.sgd import SGD
from thalweg.rules.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
]
