"""Gradient centralization: every output unit's gradient loses its mean."""

from thalweg.elementwise import where
from thalweg.reductions import mean, norm
from thalweg.rule import Stage


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

    @staticmethod
    def update(g, ndim, use, conv_only, normalize):
        if use and ndim > (3 if conv_only else 1):
            g = g - mean(g, "row")
            if normalize:
                g = g - mean(g, "row")
                length = norm(g, "row")
                g = g / where(length > 0, length, 1.0)
        return g
