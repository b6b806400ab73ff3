"""Gradient noise: a normal number added to every gradient, less of it as training goes on."""

from thalweg.requests import noise
from thalweg.rule import Stage, setting


class GradientNoise(Stage):
    """Gradient noise: a normal number added to every gradient, less of it as training goes on.

    Shakes very deep networks out of poor starts. The numbers follow from the seed, the step and
    the parameter's place, so a run that goes on from a file has those of the uninterrupted one.

        g <- g + s n,      n drawn from the standard normal, s^2 = noise_eta / t^noise_gamma

    Paper: Neelakantan et al. 2015, arXiv:1511.06807, section 3.
    Differs: not in torch. The paper counts steps from 0 and has (1 + t); t counts from 1 here.
    """

    noise_eta: float = setting(0.01, low=0)
    noise_gamma: float = setting(0.55, low=0)
    noise_seed: int = setting(0, low=0)

    @staticmethod
    def update(g, t, noise_eta, noise_gamma, noise_seed):
        g = g + (noise_eta / t**noise_gamma) ** 0.5 * noise(noise_seed, t)
        return g
