"""Rprop: only the signs of gradients count."""

from thalweg.elementwise import maximum, minimum, where
from thalweg.rule import Rule, setting, state


class Rprop(Rule):
    """Resilient backpropagation: steps from signs alone.

    Every coordinate has a step size of its own, which grows while the gradient keeps
    its sign and shrinks when it turns. For full batches: noise turns signs at random
    and makes all steps shrink.

        e  = etas[1] if g g' > 0,  etas[0] if g g' < 0,  1 otherwise
        s <- min(max(e s, step_sizes[0]), step_sizes[1]),      it starts as lr
        g <- 0 if g g' < 0
        p <- p - s sign(g)
        g' <- g                                                the state `prev`

    Paper: Riedmiller and Braun 1993, "A direct adaptive method for faster backpropagation
    learning: the RPROP algorithm".
    Differs: as torch, a gradient that has turned makes no step at all (the paper takes the
    last one back); a NaN is no sign.
    """

    lr: float = setting(1e-2, low=0)
    etas: tuple[float, float] = setting((0.5, 1.2), above=(0, 1), below=(1, None))
    step_sizes: tuple[float, float] = setting((1e-6, 50.0))
    counts_steps = True

    prev = state("prev")
    s = state("step_size", start=lambda h: h.lr)

    @staticmethod
    def scalars(h):
        return dict(down=h.etas[0], up=h.etas[1], least=h.step_sizes[0], most=h.step_sizes[1])

    @staticmethod
    def update(p, g, prev, s, down, up, least, most):
        e = where(g * prev > 0, up, where(g * prev < 0, down, 1.0))
        s = minimum(maximum(e * s, least), most)
        g = where(g * prev < 0, 0.0, g)
        p = p - where(g > 0, s, where(g < 0, -s, 0.0))
        prev = g
        return p, prev, s
