"""Weight decay that keeps its strength where the learning rate falls."""

from thalweg.elementwise import maximum
from thalweg.rule import Stage, setting, state


class CorrectedDecay(Stage):
    """Weight decay corrected for the schedule.

    Of a layer in front of a norm, decay and lr together set how large the gradient is beside the
    weights: under a falling lr both grow towards the end. With the square of lr they stay. Other
    layers are a group with corrected=False. Put it in front of the rule.

        peak <- max(peak, lr, max_lr)
        p    <- p - lr^2 / peak weight_decay p
        p    <- p - lr weight_decay p                  with corrected=False

    Paper: Defazio 2025, arXiv:2506.02285.
    Differs: max_lr is the largest lr of the schedule; OneCycleLR writes it into the groups by
    itself. Without it the largest so far is taken, which in a warm-up is lr itself; a state_dict
    keeps it.
    """

    weight_decay: float = setting(0.0, low=0)
    corrected: bool = True
    max_lr: float = setting(0.0, low=0)
    spares = ("weight_decay",)

    peak = state("lr_max", per="tensor")

    @staticmethod
    def rests(h):
        return h.weight_decay == 0

    @staticmethod
    def update(p, peak, lr, weight_decay, corrected, max_lr):
        peak = maximum(peak, maximum(lr, max_lr))
        if weight_decay != 0:  # 0 times an infinite weight would be NaN
            share = lr / peak if corrected and peak > 0 else 1.0
            p = p * (1 - share * lr * weight_decay)
        return p, peak
