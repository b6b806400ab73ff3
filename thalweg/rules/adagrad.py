"""Adagrad: every coordinate's rate falls with the gradients it has seen."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state


class Adagrad(Rule):
    """Adagrad: rates that fall with the sum of squared gradients.

    Coordinates that rarely get a gradient keep large steps, so it suits sparse
    features and embeddings. The sum only grows: on long runs its steps die out.

        total <- total + g^2
        p     <- p - lr_t g / (sqrt(total) + eps),      lr_t = lr / (1 + (t - 1) lr_decay)

    Paper: Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods for Online Learning
    and Stochastic Optimization", JMLR 12.
    Differs: as torch, total starts at initial_accumulator_value when the optimizer is made (a
    group's own value counts; torch takes the constructor's), and lr_decay is not in the paper. A
    sparse gradient moves the rows it holds, also in a chain with weight decay, where torch
    raises: there the missing rows are zeros.
    """

    signature = "lr, lr_decay, weight_decay, initial_accumulator_value, eps"
    decay = "coupled"
    torch_flags = "foreach"

    lr: float = setting(1e-2, low=0)
    lr_decay: float = setting(0.0, low=0)
    initial_accumulator_value: float = setting(0.0, low=0)
    eps: float = setting(1e-10, low=0)
    starts_at_construction = True
    takes_sparse = True

    total = state("sum", start="initial_accumulator_value")

    @staticmethod
    def rests(h):
        return True

    @staticmethod
    def update(g, total, t, lr, lr_decay, eps):
        total = total + g * g
        u = lr / (1 + (t - 1) * lr_decay) * g / (sqrt(total) + eps)
        return u, total
