"""Layers and losses, under torch's names and with torch's defaults."""

from thalweg.mytorch.nn import functional, init
from thalweg.mytorch.nn.activations import GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Tanh
from thalweg.mytorch.nn.class_loss import CrossEntropyLoss, NLLLoss
from thalweg.mytorch.nn.conv import Conv2d
from thalweg.mytorch.nn.dropout import Dropout
from thalweg.mytorch.nn.element_loss import BCEWithLogitsLoss, MSELoss
from thalweg.mytorch.nn.embedding import Embedding
from thalweg.mytorch.nn.flatten import Flatten
from thalweg.mytorch.nn.linear import Linear
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.norm import BatchNorm1d, BatchNorm2d, LayerNorm
from thalweg.mytorch.nn.pooling import AvgPool2d, MaxPool2d
from thalweg.mytorch.nn.sequential import Sequential

__all__ = [
    "GELU",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "functional",
    "init",
]
