"""Layers and losses, under torch's names and with torch's defaults."""

from thalweg.mytorch.nn import functional, init, utils
from thalweg.mytorch.nn.activations import GELU, LeakyReLU, ReLU, Sigmoid, Tanh
from thalweg.mytorch.nn.adaptive_pooling import AdaptiveAvgPool2d
from thalweg.mytorch.nn.attention import MultiheadAttention
from thalweg.mytorch.nn.cells import GRUCell, LSTMCell, RNNCell
from thalweg.mytorch.nn.class_loss import CrossEntropyLoss, NLLLoss
from thalweg.mytorch.nn.conv import Conv2d
from thalweg.mytorch.nn.conv_transpose import ConvTranspose2d
from thalweg.mytorch.nn.distance_loss import HuberLoss, L1Loss, MSELoss, SmoothL1Loss
from thalweg.mytorch.nn.dropout import Dropout
from thalweg.mytorch.nn.embedding import Embedding
from thalweg.mytorch.nn.flatten import Flatten
from thalweg.mytorch.nn.group_norm import GroupNorm
from thalweg.mytorch.nn.identity import Identity
from thalweg.mytorch.nn.linear import Linear
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.module_dict import ModuleDict
from thalweg.mytorch.nn.norm import BatchNorm1d, BatchNorm2d, LayerNorm
from thalweg.mytorch.nn.pooling import AvgPool2d, MaxPool2d
from thalweg.mytorch.nn.probability_loss import BCELoss, BCEWithLogitsLoss, KLDivLoss
from thalweg.mytorch.nn.rectifiers import (
    ELU,
    SELU,
    Hardswish,
    Hardtanh,
    LogSigmoid,
    Mish,
    PReLU,
    ReLU6,
    SiLU,
    Softplus,
)
from thalweg.mytorch.nn.recurrent import GRU, LSTM, RNN
from thalweg.mytorch.nn.sequence_window import AvgPool1d, Conv1d, MaxPool1d
from thalweg.mytorch.nn.sequential import ModuleList, Sequential
from thalweg.mytorch.nn.softmax import LogSoftmax, Softmax
from thalweg.mytorch.nn.transformer import TransformerEncoder, TransformerEncoderLayer

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GroupNorm",
    "Hardswish",
    "Hardtanh",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "functional",
    "init",
    "utils",
]
