"""AdaHessian: Adam on the curvature instead of the gradient's square."""

from thalweg.elementwise import lerp, sign, sqrt
from thalweg.requests import curvature, noise
from thalweg.rule import Rule, setting, state


class AdaHessian(Rule):
    """AdaHessian: Adam on the curvature instead of the gradient's square.

    The diagonal of the Hessian is estimated by Hutchinson's method, from the Hessian's product
    with random signs, and every coordinate is divided by its own. For losses whose coordinates
    are scaled apart: PINNs, small networks. torch needs `loss.backward(create_graph=True)`.

        p <- p - lr weight_decay p
        d  = z (H z)                                z random signs, every update_each steps
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) d^2
        p <- p - lr mhat / (vhat^(k/2) + eps)       mhat = m / (1 - b1^t)
                                                    vhat = v / (1 - b2^t)

    Paper: Yao et al. 2021, arXiv:2006.00719, Algorithm 1; k is hessian_power.
    Differs: not in torch. As timm, the diagonal is not averaged over a convolution's kernel by
    default; here it never is. The decay is decoupled, as in the authors' code.
    """

    signature = "lr, betas, eps, weight_decay, hessian_power, update_each, seed"
    decay = "decoupled"

    lr: float = setting(0.1, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    hessian_power: float = setting(1.0, low=0, high=1)
    update_each: int = setting(1, low=1)
    seed: int = setting(2147483647, low=0)

    m = state("exp_avg")
    v = state("exp_hessian_diag_sq")
    d = state("hessian_diag")

    @staticmethod
    def update(g, m, v, d, t, lr, betas, eps, hessian_power, update_each, seed):
        b1, b2 = betas
        if (t - 1) % update_each == 0:
            z = sign(noise(seed, t))
            d = z * curvature(z)
        m = lerp(m, g, 1 - b1)
        v = b2 * v + (1 - b2) * d * d
        if hessian_power == 1:
            root = sqrt(v / (1 - b2**t))
        else:
            root = (v / (1 - b2**t)) ** (hessian_power / 2)
        u = lr * m / (1 - b1**t) / (root + eps)
        return u, m, v, d
