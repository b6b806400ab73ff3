"""The layers and losses as functions: `from thalweg.mytorch.nn import functional as F`."""

from thalweg.mytorch.graph import quiet
from thalweg.mytorch.nn.activations import gelu, leaky_relu, log_softmax, relu, sigmoid, tanh
from thalweg.mytorch.nn.class_loss import cross_entropy, nll_loss
from thalweg.mytorch.nn.conv import conv2d
from thalweg.mytorch.nn.dropout import dropout
from thalweg.mytorch.nn.element_loss import binary_cross_entropy_with_logits, mse_loss
from thalweg.mytorch.nn.embedding import embedding
from thalweg.mytorch.nn.flatten import flatten
from thalweg.mytorch.nn.linear import linear
from thalweg.mytorch.nn.norm import layer_norm
from thalweg.mytorch.nn.pooling import avg_pool2d, max_pool2d

__all__ = [
    "avg_pool2d",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "flatten",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "sigmoid",
    "tanh",
]

# Called by themselves they are as quiet as within a layer.
for _name in __all__:
    globals()[_name] = quiet(globals()[_name])
