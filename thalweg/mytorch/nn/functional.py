"""The layers and losses as functions: `from thalweg.mytorch.nn import functional as F`."""

from thalweg.mytorch.graph import quiet
from thalweg.mytorch.indexing import one_hot as one_hot  # torch has it here, and no gradient
from thalweg.mytorch.nn.activations import gelu, leaky_relu, relu, sigmoid, tanh
from thalweg.mytorch.nn.adaptive_pooling import adaptive_avg_pool2d
from thalweg.mytorch.nn.attention import scaled_dot_product_attention
from thalweg.mytorch.nn.class_loss import cross_entropy, nll_loss
from thalweg.mytorch.nn.conv import conv2d
from thalweg.mytorch.nn.conv_transpose import conv_transpose2d
from thalweg.mytorch.nn.distance_loss import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from thalweg.mytorch.nn.dropout import dropout
from thalweg.mytorch.nn.embedding import embedding
from thalweg.mytorch.nn.flatten import flatten
from thalweg.mytorch.nn.group_norm import group_norm
from thalweg.mytorch.nn.linear import linear
from thalweg.mytorch.nn.norm import layer_norm
from thalweg.mytorch.nn.pooling import avg_pool2d, max_pool2d
from thalweg.mytorch.nn.probability_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    kl_div,
)
from thalweg.mytorch.nn.rectifiers import (
    elu,
    hardswish,
    hardtanh,
    logsigmoid,
    mish,
    prelu,
    relu6,
    selu,
    silu,
    softplus,
)
from thalweg.mytorch.nn.sequence_window import avg_pool1d, conv1d, max_pool1d
from thalweg.mytorch.nn.softmax import log_softmax, softmax

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "flatten",
    "gelu",
    "group_norm",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "mish",
    "mse_loss",
    "nll_loss",
    "prelu",
    "relu",
    "relu6",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]

# Called by themselves they are as quiet as within a layer.
for _name in __all__:
    globals()[_name] = quiet(globals()[_name])
