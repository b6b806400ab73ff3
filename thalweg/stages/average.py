"""Averages of the weights along their path: exponential, or equal over chosen steps."""

from thalweg.elementwise import lerp
from thalweg.rule import Stage, setting, state


class ExponentialAverage(Stage):
    """Exponential moving average of the weights (EMA).

    A second copy of the weights that follows them slowly: it averages noise away and is
    usually the better one to evaluate. About the last 1 / (1 - decay) steps count. Put it
    at the end of the chain.

        avg <- decay avg + (1 - decay) p        the first time: avg <- p

    Paper: Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging".
    Differs: no bias correction, as in torch's AveragedModel: the average begins at the weights
    after the first step. It moves at every step of the optimizer, whether or not the parameter
    has a gradient.
    """

    decay: float = setting(0.999, low=0, high=1)

    avg = state("average", start="p")

    @staticmethod
    def update(p, avg, first, decay):
        avg = p if first or decay == 0 else lerp(avg, p, 1 - decay)
        return avg

    @staticmethod
    def evaluate(avg):
        return avg


class EqualAverage(Stage):
    """Stochastic weight averaging (SWA): the mean of the weights at chosen steps.

    From step `start` on, the weights of every `every`-th step go into a plain mean. With a
    constant or cyclic rate at the end of training it finds wider minima than the last
    weights. Put it at the end of the chain.

        avg        <- avg + (p - avg) / (n_averaged + 1)      at steps start, start + every, ...
        n_averaged <- n_averaged + 1                          likewise
        n_missed   <- n_missed + 1                            at steps without a gradient

    Paper: Izmailov et al. 2018, arXiv:1803.05407, Algorithm 1.
    Differs: the steps are the optimizer's. `n_missed` is how many of them found no gradient.
    """

    start: int = setting(1, low=1)
    every: int = setting(1, low=1)

    keeps_singles = True

    n_averaged = state("n_averaged", per="tensor")
    n_missed = state("n_missed", per="tensor")
    avg = state("average", start="p")

    @staticmethod
    def update(p, avg, n_averaged, n_missed, t, start, every):
        step = t + n_missed  # of the optimizer
        if step >= start and (step - start) % every == 0:
            avg = lerp(avg, p, 1 / (n_averaged + 1)) if n_averaged > 0 else p
            n_averaged = n_averaged + 1
        return avg, n_averaged

    @staticmethod
    def evaluate(p, avg, n_averaged):
        return avg if n_averaged > 0 else p
