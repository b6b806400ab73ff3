"""Rprop: only the signs of gradients count."""

from thalweg.elementwise import maximum, minimum, where
from thalweg.rule import Rule, setting, state


class Rprop(Rule):
    """Resilient backpropagation: steps from signs alone.

    Every coordinate has a step size of its own, which grows while the gradient keeps
    its sign and shrinks when it turns. For full batches: noise turns signs at random
    and makes all steps shrink.

        size <- size etas[1] if g prev > 0,  size etas[0] if g prev < 0;  it starts as lr
        size <- min(max(size, step_sizes[0]), step_sizes[1])
        g    <- 0 if g prev < 0
        p    <- p - size sign(g)
        prev <- g

    Paper: Riedmiller and Braun 1993, "A direct adaptive method for faster backpropagation
    learning: the RPROP algorithm".
    Differs: as torch, a gradient that has turned makes no step at all (the paper takes the
    last one back); a NaN is no sign.
    """

    signature = "lr, etas, step_sizes"

    lr: float = setting(1e-2, low=0)
    etas: tuple[float, float] = setting((0.5, 1.2), above=(0, 1), below=(1, None))
    step_sizes: tuple[float, float] = setting((1e-6, 50.0))
    counts_steps = True

    prev = state("prev")
    size = state("step_size", start="lr")

    @staticmethod
    def update(g, prev, size, etas, step_sizes):
        down, up = etas
        least, most = step_sizes
        factor = where(g * prev > 0, up, where(g * prev < 0, down, 1.0))
        size = minimum(maximum(factor * size, least), most)
        g = where(g * prev < 0, 0.0, g)
        u = where(g > 0, size, where(g < 0, -size, 0.0))
        prev = g
        return u, prev, size
