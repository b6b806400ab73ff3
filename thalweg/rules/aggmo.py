"""AggMo: three momenta at once."""

from thalweg.rule import Rule, setting, state


class AggMo(Rule):
    """AggMo: aggregated momentum.

    The mean of the steps that momenta of several lengths would take: the long one is fast along
    a valley, the short ones damp the swings that it would make alone. A drop-in for SGD with
    momentum 0.9 at the same lr, and safe where 0.99 by itself oscillates.

        short  <- beta1 short + g
        medium <- beta2 medium + g
        long   <- beta3 long + g
        p      <- p - lr (short + medium + long) / 3

    Paper: Lucas et al. 2019, arXiv:1804.00325, Equation 3.
    Differs: not in torch. Three momenta, as in the paper's default, and no other number of them.
    A beta of 0 keeps no buffer: its momentum is g.
    """

    signature = "lr, betas, weight_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1e-2, low=0)
    betas: tuple[float, float, float] = setting((0.0, 0.9, 0.99), low=0, below=1)

    short = state("momentum_buffer_1")
    medium = state("momentum_buffer_2")
    long = state("momentum_buffer_3")

    @staticmethod
    def update(g, short, medium, long, lr, betas):
        beta1, beta2, beta3 = betas
        total = g
        if beta1 != 0:
            short = beta1 * short + g
            total = short
        medium = beta2 * medium + g
        long = beta3 * long + g
        u = lr / 3 * (total + medium + long)
        return u, short, medium, long
