"""Sophia: a momentum divided by the curvature, and clipped."""

from thalweg.elementwise import abs, lerp, minimum, sign
from thalweg.requests import gradient
from thalweg.rule import Rule, setting, state


class Sophia(Rule):
    """Sophia-G: a momentum divided by the curvature, and clipped.

    Sharp directions take small steps and flat ones long ones, none longer than lr. The
    curvature is estimated every k steps from the gradient of a loss whose labels are drawn
    from the model's own predictions: `step(closure, sampled=closure_on_drawn_labels)`.

        p <- p - lr weight_decay p
        h <- b2 h + (1 - b2) s^2        every k steps, s the gradient of the sampled loss
        m <- b1 m + (1 - b1) g
        p <- p - lr sign(m) min(|m| / (rho batch_size h + 1e-15), 1)

    Paper: Liu et al. 2023, arXiv:2305.14342, Algorithm 3, with the Gauss-Newton-Bartlett estimator.
    Differs: not in torch. As the authors' code, rho and batch_size, the number of samples (for a
    language model, of tokens) in the sampled loss, meet in one product; its decay is their default.
    """

    signature = "lr, betas, rho, weight_decay, batch_size, k"
    decay = "decoupled"

    lr: float = setting(1e-4, low=0)
    betas: tuple[float, float] = setting((0.965, 0.99), low=0, below=1)
    rho: float = setting(0.04, above=0)
    batch_size: int = setting(5120, low=1)
    k: int = setting(10, low=1)

    m = state("exp_avg")
    h = state("hessian")

    @staticmethod
    def update(p, g, m, h, t, lr, betas, rho, batch_size, k):
        b1, b2 = betas
        if (t - 1) % k == 0:
            s = gradient(p, "sampled")
            h = lerp(h, s * s, 1 - b2)
        m = lerp(m, g, 1 - b1)
        u = lr * sign(m) * minimum(abs(m) / (rho * batch_size * h + 1e-15), 1.0)
        return u, m, h
