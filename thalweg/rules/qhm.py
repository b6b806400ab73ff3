"""QHM: a mean of plain and momentum SGD."""

from thalweg.elementwise import lerp
from thalweg.rule import Rule, setting, state


class QHM(Rule):
    """QHM: quasi-hyperbolic momentum.

    Between the gradient of now and a very long mean of gradients: the mean takes the noise out,
    the gradient keeps the step from being late. Nesterov's momentum is nu = momentum, plain SGD
    nu = 0. Coming from SGD with momentum 0.9, keep nu and momentum and take 10 times its lr.

        m <- momentum m + (1 - momentum) g
        p <- p - lr ((1 - nu) g + nu m)

    Paper: Ma and Yarats 2019, arXiv:1810.06801, Section 3.
    Differs: not in torch. As the authors' package, m starts at zero and no bias is corrected. nu
    and momentum are those that the paper recommends.
    """

    signature = "lr, momentum, nu, weight_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1.0, low=0)
    momentum: float = setting(0.999, low=0, below=1)
    nu: float = setting(0.7, low=0, high=1)

    m = state("momentum_buffer")

    @staticmethod
    def update(g, m, lr, momentum, nu):
        m = lerp(m, g, 1 - momentum)
        u = lr * ((1 - nu) * g + nu * m)
        return u, m
