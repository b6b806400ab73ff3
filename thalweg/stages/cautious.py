"""Cautious steps and cautious decay: only where the signs agree."""

from thalweg.elementwise import maximum, where
from thalweg.reductions import mean
from thalweg.rule import Stage, setting


class Cautious(Stage):
    """Cautious steps.

    A coordinate whose step goes against its gradient of now stands still, and the others go
    further by as much. One line around any rule with momentum; C-AdamW and C-Lion with it.

        u <- u [u g > 0] / max(mean [u g > 0], 1e-3)

    Paper: Liang et al. 2024, arXiv:2411.16085, Algorithm 1.
    Differs: the scale is the authors' for C-AdamW; their C-Lion has n / (count + 1).
    """

    @staticmethod
    def update(g, u):
        agrees = where(u * g > 0, 1.0, 0.0)
        u = u * agrees / maximum(mean(agrees), 1e-3)
        return u


class CautiousDecay(Stage):
    """Cautious weight decay.

    Takes lr weight_decay of a weight unless the step brings it further from zero: decay that
    never works against the loss. Put it behind the rule.

        u <- u + lr weight_decay p      where u p >= 0

    Paper: Chen et al. 2025, arXiv:2510.12402, Algorithm 1.
    Differs: nothing. A weight without a step decays, as in the paper.
    """

    weight_decay: float = setting(0.0, low=0)
    spares = ("weight_decay",)

    @staticmethod
    def update(p, u, lr, weight_decay):
        if weight_decay != 0:
            u = u + where(u * p >= 0, lr * weight_decay * p, 0.0)
        return u
