"""Weight decay: added to the gradient (L2) or taken from the weights (decoupled)."""

from thalweg.rule import Stage, setting


class Decay(Stage):
    """Weight decay as torch's classes have it: L2 in the gradient, or decoupled from it.

    L2 pulls every weight towards zero through the gradient, so an adaptive rule divides
    the pull by the gradient's scale; decoupled decay takes the same share of every
    weight, which is what AdamW adds to Adam. Put it in front of the rule, whose own
    step is then not shrunk.

        g <- g + weight_decay p         by default
        p <- p - lr weight_decay p      with decoupled_weight_decay

    Paper: Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithms 1 and 2.
    Differs: as torch, the schedule multiplier of the paper is lr itself.
    """

    weight_decay: float = setting(0.0, low=0)
    decoupled_weight_decay: bool = False
    spares = ("weight_decay",)

    @staticmethod
    def rests(h):
        return h.weight_decay == 0

    @staticmethod
    def update(p, g, lr, weight_decay, decoupled_weight_decay):
        # of none the product is not taken: 0 times an infinite weight would be NaN
        if weight_decay != 0 and decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        elif weight_decay != 0:
            g = g + weight_decay * p
        return p, g


class DecoupledDecay(Decay):
    """`Decay`, decoupled unless told otherwise: the one to compose with.

        p <- p - lr weight_decay p

    Paper: Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 2, line 12.
    Differs: as `Decay`.
    """

    decoupled_weight_decay: bool = True
