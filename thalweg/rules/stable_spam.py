"""Stable-SPAM: Adam on gradients whose spikes and whose lengths are smoothed."""

from thalweg.elementwise import abs, lerp, maximum, minimum, sqrt, where
from thalweg.reductions import largest, norm
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments
from thalweg.rules.spam import cosine


class StableSPAM(Rule):
    """Stable-SPAM: Adam on gradients whose spikes and whose lengths are smoothed.

    Coordinates larger than the largest were on average are cut to that; the gradient then gets a
    length from the moments of its own past lengths, and Adam's moments begin anew every so many
    steps. Made for training in four bits, where SPAM is not enough; steadier in bfloat16 too.

        p    <- p - lr weight_decay p
        peak <- theta peak + (1 - theta) max |g|
        g    <- g / max |g| peakhat               where |g| > peakhat = peak / (1 - theta^t)
        size <- w gamma1 size + (1 - w gamma1) |g|
        sizes <- gamma2 sizes + (1 - gamma2) |g|^2
        g    <- g / |g| sizehat / (sqrt(sizeshat) + eps)        hats as peak's, by their gammas
        m, v <- 0                                 every reset_every steps
        m    <- w b1 m + (1 - w b1) g
        v    <- b2 v + (1 - b2) g^2
        p    <- p - lr mhat / (sqrt(vhat) + eps)  mhat = m / (1 - (w b1)^n), n counts from a reset
        w     = eta_min + (1 - eta_min) (1 + cos(pi t / (total_steps + 1))) / 2, with total_steps

    Paper: Huang et al. 2025, arXiv:2502.17055, Algorithm 1.
    Differs: not in torch. At a reset the authors' code steps by the old moments as if they were
    new, and counts the norms anew; here both are as in the paper. A zero gradient moves by m.
    """

    signature = (
        "lr, betas, eps, weight_decay, gamma1, gamma2, theta, total_steps, eta_min, reset_every"
    )
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    gamma1: float = setting(0.7, low=0, below=1)
    gamma2: float = setting(0.9, low=0, below=1)
    theta: float = setting(0.999, low=0, below=1)
    total_steps: int = setting(0, low=0)
    eta_min: float = setting(0.5, low=0, high=1)
    reset_every: int = setting(1000, low=1)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    peak = state("m_max", per="tensor")
    size = state("m_norm", per="tensor")
    sizes = state("v_norm", per="tensor")

    @staticmethod
    def update(
        g,
        m,
        v,
        peak,
        size,
        sizes,
        t,
        lr,
        betas,
        eps,
        gamma1,
        gamma2,
        theta,
        total_steps,
        eta_min,
        reset_every,
    ):
        w, n = 1.0, t
        if total_steps > 0:
            place = minimum(t / (total_steps + 1), 1.0)
            w = eta_min + (1 - eta_min) * (1 + cosine(place)) / 2
        c1, b1, b2 = w * gamma1, w * betas[0], betas[1]
        most = maximum(largest(abs(g)), 0.0)  # of no element it is -inf
        peak = lerp(peak, most, 1 - theta)
        peakhat = peak / (1 - theta**t)
        g = where(abs(g) > peakhat, g / most * peakhat, g)
        length = norm(g)
        size = c1 * size + (1 - c1) * length
        sizes = gamma2 * sizes + (1 - gamma2) * length * length
        wanted = size / (1 - c1**t) / (sqrt(sizes / (1 - gamma2**t)) + eps)
        g = (wanted / length if length > 0 else 0.0) * g
        if t >= reset_every:
            n = t % reset_every + 1
            if n == 1:
                m, v = 0.0, 0.0
        m, v = moments(g, m, v, b1, b2)
        u = lr / (1 - b1**n) * m / (sqrt(v) / sqrt(1 - b2**n) + eps)
        return u, m, v, peak, size, sizes
