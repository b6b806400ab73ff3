"""Steps in the direction of the gradient of now, as long as the rule says."""

from thalweg.elementwise import abs, sign
from thalweg.rule import Stage


class GradientSign(Stage):
    """Gradient descent with adaptive momentum scaling (Grams).

    The rule's step says how far each coordinate goes, the gradient of now says which way:
    momentum without overshooting. Put it behind Adam.

        u <- sign(g) |u|

    Paper: Cao et al. 2024, arXiv:2412.17107, Algorithm 1.
    Differs: nothing.
    """

    @staticmethod
    def update(g, u):
        u = sign(g) * abs(u)
        return u
