"""Averages of the weights along their path: exponential, or equal over chosen steps."""

from thalweg.elementwise import lerp
from thalweg.rule import Stage, scalar_state, setting, state, switch


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
    def scalars(h, first):
        return dict(take=1.0 if first else 1 - h.decay)

    @staticmethod
    def update(p, avg, take):
        if take < 1:
            avg = lerp(avg, p, take)
        else:
            avg = p
        return avg


def _is_due(h, step):
    """Whether the weights of this step of the optimizer go into the mean."""
    return step >= h.start and (step - h.start) % h.every == 0


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

    n_averaged = scalar_state("n_averaged")
    n_missed = scalar_state("n_missed")
    avg = state("average", start="p")

    @switch
    def averages(h, t, n_missed):
        return _is_due(h, t + n_missed)

    @staticmethod
    def scalars(h, t, n_averaged, n_missed):
        more = n_averaged + 1 if _is_due(h, t + n_missed) else n_averaged
        return dict(take=1 / (n_averaged + 1), n_averaged=more, n_missed=n_missed)

    @staticmethod
    def update(p, avg, take, averages):
        if averages and take < 1:
            avg = lerp(avg, p, take)
        elif averages:
            avg = p
        return avg
