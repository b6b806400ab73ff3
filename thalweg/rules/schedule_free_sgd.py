"""Schedule-Free SGD, and what every Schedule-Free rule does with a direction."""

from thalweg.elementwise import lerp, maximum, minimum
from thalweg.rule import Rule, setting, state


def share(rate, peak, total, t, r, weight_lr_power):
    """How much of the average the newest z is, with the numbers that it comes from."""
    peak = maximum(peak, rate)
    weight = t**r * peak**weight_lr_power
    total = total + weight
    c = weight / total if total > 0 else 0.0
    return c, peak, total


def moved(p, z, d, rate, c, b1):
    """Where gradients are taken and where the fast weights are, after a step along d."""
    p = lerp(p, z, c) - rate * (1 - b1 * (1 - c)) * d
    z = z - rate * d
    return p, z


def averaged(p, z, b1):
    """The average of the path."""
    return lerp(p, z, 1 - 1 / b1)


class ScheduleFreeSGD(Rule):
    """Schedule-Free SGD.

    An average x of the path takes the place of a falling rate: at any moment x is as good as a
    schedule that ended there would have made it. Gradients are taken at y, between x and the fast
    z; x is what to evaluate and to keep, by `with opt.evaluation():` or `opt.eval()`.

        rate   = lr min(1, t / warmup_steps)
        peak  <- max(peak, rate),  w = t^r peak^weight_lr_power
        total <- total + w,        c = w / total
        d      = g + weight_decay p
        p     <- p + c (z - p) - rate (1 - momentum (1 - c)) d           p is y
        z     <- z - rate d
        x      = p + (1 - 1 / momentum) (z - p)                          in evaluation

    Paper: Defazio et al. 2024, arXiv:2405.15682, Algorithm 1.
    Differs: not in torch. As the authors' SGDScheduleFree; momentum is the share of x in y. Batch
    norms want their statistics anew in evaluation, as for SWA.
    """

    signature = "lr, momentum, weight_decay, warmup_steps, r, weight_lr_power"

    lr: float = setting(1.0, low=0)
    momentum: float = setting(0.9, above=0, below=1)
    weight_decay: float = setting(0.0, low=0)
    warmup_steps: int = setting(0, low=0)
    r: float = setting(0.0, low=0)
    weight_lr_power: float = setting(2.0, low=0)
    spares = ("weight_decay",)

    z = state("z", start="p")
    total = state("weight_sum", per="tensor")
    peak = state("lr_max", per="tensor")

    @staticmethod
    def update(
        p, g, z, total, peak, t, lr, momentum, weight_decay, warmup_steps, r, weight_lr_power
    ):
        rate = lr * minimum(1.0, t / maximum(warmup_steps, 1))
        c, peak, total = share(rate, peak, total, t, r, weight_lr_power)
        p, z = moved(p, z, g + weight_decay * p, rate, c, momentum)
        return p, z, total, peak

    @staticmethod
    def evaluate(p, z, momentum):
        return averaged(p, z, momentum)
