"""Lookahead: slow weights that follow the fast ones every k steps."""

from thalweg.rule import Stage, setting, state


class Lookahead(Stage):
    """Lookahead: k steps forward, one step back.

    A second copy of the weights is moved part of the way towards the fast ones every k
    steps, and the fast ones start again from there. Less variance, less tuning, one more
    copy of the weights. Put it behind the rule.

        every k steps:   slow <- slow + alpha (p - slow)
                         p    <- slow

    Paper: Zhang et al. 2019, arXiv:1907.08610, Algorithm 1.
    Differs: each parameter counts its own steps; its slow copy is taken before its first one.
    """

    alpha: float = setting(0.5, low=0, high=1)
    k: int = setting(6, low=1)

    slow = state("slow_buffer", start="p")

    @staticmethod
    def update(p, slow, t, alpha, k):
        if t % k == 0:
            slow = slow + alpha * (p - slow)
            p = slow
        return p, slow

    @staticmethod
    def evaluate(slow):
        return slow
