"""Weight decay as a part of the step, for stages behind it that measure the step."""

from thalweg.rule import Stage, setting


class StepDecay(Stage):
    """Weight decay that joins the step, as LAMB has it.

    What stands behind it, a trust ratio or a clipping of the step, measures step and decay
    together. With nothing behind it, it is `DecoupledDecay` but for rounding.

        u <- u + lr weight_decay p

    Paper: You et al. 2020, arXiv:1904.00962, Algorithm 2.
    Differs: nothing.
    """

    weight_decay: float = setting(0.0, low=0)
    spares = ("weight_decay",)

    @staticmethod
    def update(p, u, lr, weight_decay):
        if weight_decay != 0:  # 0 times an infinite weight would be NaN
            u = u + lr * weight_decay * p
        return u
