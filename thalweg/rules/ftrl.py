"""FTRL-Proximal: weights worked out anew from a sum of gradients, many of them exactly zero."""

from thalweg.elementwise import abs, sign, sqrt, where
from thalweg.rule import Rule, setting, state


class FTRL(Rule):
    """FTRL-Proximal: follow the regularized leader.

    For sparse linear models, such as click prediction: rates fall per coordinate as Adagrad's do,
    and lambda_1 leaves only those weights that have earned it, the others are exactly zero.
    Choose lambda_1, lambda_2 in place of weight decay, and keep lr: it is part of what z means.

        s  = (sqrt(n + g^2) - sqrt(n)) / lr
        z <- z + g - s p
        n <- n + g^2
        p <- (sign(z) lambda_1 - z) / ((beta + sqrt(n)) / lr + lambda_2)      0 if |z| <= lambda_1

    Paper: McMahan et al. 2013, "Ad Click Prediction: a View from the Trenches", KDD, Algorithm 1.
    Differs: not in torch. beta is 0, as in the packages (the paper's is 1); TensorFlow and Keras
    take lambda_2 twice. p is what z says, also at first: a weight without a gradient so far is 0.
    """

    signature = "lr, beta, lambda_1, lambda_2, initial_accumulator_value"

    lr: float = setting(0.1, low=0)
    beta: float = setting(0.0, low=0)
    lambda_1: float = setting(0.0, low=0)
    lambda_2: float = setting(0.0, low=0)
    initial_accumulator_value: float = setting(0.0, low=0)

    z = state("z")
    n = state("n", start="initial_accumulator_value")

    @staticmethod
    def update(p, g, z, n, lr, beta, lambda_1, lambda_2):
        if lr == 0:  # s would be infinite: nothing moves, but the states are made, as by any step
            z = z + 0.0
            n = n + 0.0
        else:
            s = (sqrt(n + g * g) - sqrt(n)) / lr
            z = z + g - s * p
            n = n + g * g
            most = (beta + sqrt(n)) / lr + lambda_2
            p = where(abs(z) <= lambda_1, 0.0, (sign(z) * lambda_1 - z) / most)
        return p, z, n
