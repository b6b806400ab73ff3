"""Gradient centralization: every output unit's gradient loses its mean."""

from thalweg.elementwise import where
from thalweg.rule import Stage, measure, switch


class Centralize(Stage):
    """Gradient centralization.

    Keeps the weights of each output unit on a plane of constant sum: a cheap
    regularizer that often steadies training. Acts on weights of two or more axes
    (`conv_only`: of four or more, the convolutions), never on biases. One row is one
    index of axis 0, the output axis in torch's layout.

        g <- g - mean(g)          over every axis but the first
        g <- g / norm(g)          with normalize; rows of zeros stay zero

    Paper: Yong et al. 2020, arXiv:2004.01461, equation 1; the division by the norm is
    a later variant without a paper.
    Differs: of a complex parameter the real and the imaginary parts are rows of their own. Before
    the division the mean is taken off a second time: of a row of equal gradients the first time
    leaves its own rounding, which would be blown up to a row of length 1.
    """

    use: bool = True
    conv_only: bool = False
    normalize: bool = False

    @switch
    def active(h, shape):
        return h.use and len(shape) > (3 if h.conv_only else 1)

    @measure("row", "mean")
    def mean(g):
        return g

    @measure("row", "mean")
    def rest(g, mean):
        return g - mean

    @measure("row", "norm")
    def norm(g, mean, rest):
        return g - mean - rest

    @staticmethod
    def update(g, mean, rest, norm, active, normalize):
        if active:
            g = g - mean
            if normalize:
                g = (g - rest) / where(norm > 0, norm, 1.0)
        return g
