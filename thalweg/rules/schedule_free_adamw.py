"""Schedule-Free AdamW: AdamW that needs no schedule, nor to know when it will end."""

from thalweg.elementwise import maximum, minimum, sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.schedule_free_sgd import averaged, moved, share


class ScheduleFreeAdamW(Rule):
    """Schedule-Free AdamW.

    An average x of the path takes the place of a falling rate: at any moment x is as good as a
    schedule that ended there would have made it. Gradients are taken at y, between x and the fast
    z; x is what to evaluate and to keep, by `with opt.evaluation():` or `opt.eval()`.

        rate   = lr min(1, t / warmup_steps)
        peak  <- max(peak, rate),  w = t^r peak^weight_lr_power
        total <- total + w,        c = w / total
        v     <- b2 v + (1 - b2) g^2
        d      = g / (sqrt(v / (1 - b2^t)) + eps) + weight_decay p
        p     <- p + c (z - p) - rate (1 - b1 (1 - c)) d          p is y
        z     <- z - rate d
        x      = p + (1 - 1 / b1) (z - p)                         in evaluation

    Paper: Defazio et al. 2024, arXiv:2405.15682, Algorithm 1.
    Differs: not in torch. As the authors' AdamWScheduleFree. Batch norms want their statistics
    anew in evaluation, as for SWA.
    """

    signature = "lr, betas, eps, weight_decay, warmup_steps, r, weight_lr_power"

    lr: float = setting(2.5e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), above=0, below=1)
    eps: float = setting(1e-8, low=0)
    weight_decay: float = setting(0.0, low=0)
    warmup_steps: int = setting(0, low=0)
    r: float = setting(0.0, low=0)
    weight_lr_power: float = setting(2.0, low=0)
    spares = ("weight_decay",)

    z = state("z", start="p")
    v = state("exp_avg_sq")
    total = state("weight_sum", per="tensor")
    peak = state("lr_max", per="tensor")

    @staticmethod
    def update(
        p,
        g,
        z,
        v,
        total,
        peak,
        t,
        lr,
        betas,
        eps,
        weight_decay,
        warmup_steps,
        r,
        weight_lr_power,
    ):
        b1, b2 = betas
        rate = lr * minimum(1.0, t / maximum(warmup_steps, 1))
        c, peak, total = share(rate, peak, total, t, r, weight_lr_power)
        v = b2 * v + (1 - b2) * g * g
        d = g / (sqrt(v / (1 - b2**t)) + eps) + weight_decay * p
        p, z = moved(p, z, d, rate, c, b1)
        return p, z, v, total, peak

    @staticmethod
    def evaluate(p, z, betas):
        return averaged(p, z, betas[0])
