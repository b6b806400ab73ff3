"""Schedule-Free RAdam: neither a schedule nor a warm-up."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.radam import length, rectification
from thalweg.rules.schedule_free_sgd import averaged, moved, share


class ScheduleFreeRAdam(Rule):
    """Schedule-Free RAdam.

    Schedule-Free AdamW with RAdam's rectification in place of a warm-up: neither warmup_steps nor
    the end of the training has to be known. Evaluate and keep x, by `with opt.evaluation():` or
    `opt.eval()`.

        v     <- b2 v + (1 - b2) g^2
        rho    = rho_inf - 2 t b2^t / (1 - b2^t),      rho_inf = 2/(1 - b2) - 1
        rate   = lr rectification(rho)                 rho > 4; otherwise 0, and with
        d      = g / (sqrt(v / (1 - b2^t)) + eps)      silent_sgd_phase=False rate = lr, d = g
        peak  <- max(peak, rate),  w = t^r peak^weight_lr_power
        total <- total + w,        c = w / total
        d     <- d + weight_decay p
        p     <- p + c (z - p) - rate (1 - b1 (1 - c)) d                 p is y
        z     <- z - rate d
        x      = p + (1 - 1 / b1) (z - p)              in evaluation

    Paper: Defazio et al. 2024, arXiv:2405.15682, Algorithm 1; Liu et al. 2020, arXiv:1908.03265.
    Differs: not in torch. As the authors' RAdamScheduleFree, without its cautious mask. Batch
    norms want their statistics anew in evaluation, as for SWA.
    """

    signature = "lr, betas, eps, weight_decay, r, weight_lr_power, silent_sgd_phase"

    lr: float = setting(2.5e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), above=0, below=1)
    eps: float = setting(1e-8, low=0)
    weight_decay: float = setting(0.0, low=0)
    r: float = setting(0.0, low=0)
    weight_lr_power: float = setting(2.0, low=0)
    silent_sgd_phase: bool = True
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
        r,
        weight_lr_power,
        silent_sgd_phase,
    ):
        b1, b2 = betas
        v = b2 * v + (1 - b2) * g * g
        rate, d = 0.0 if silent_sgd_phase else lr, g
        if length(b2, t) > 4:
            rate = lr * rectification(b2, t)
            d = g / (sqrt(v / (1 - b2**t)) + eps)
        c, peak, total = share(rate, peak, total, t, r, weight_lr_power)
        p, z = moved(p, z, d + weight_decay * p, rate, c, b1)
        return p, z, v, total, peak

    @staticmethod
    def evaluate(p, z, betas):
        return averaged(p, z, betas[0])
