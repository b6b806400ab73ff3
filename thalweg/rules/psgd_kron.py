"""PSGD Kron: a preconditioner of two factors that descends along its own loss."""

from thalweg.elementwise import exp, lerp, maximum, minimum, sqrt
from thalweg.matrices import identity, solve_triangular, spectral_bound, triu
from thalweg.reductions import largest, mean, sum
from thalweg.requests import noise
from thalweg.rule import Rule, setting, state


def averaged(g, m, t, momentum):
    """The mean of the gradients, as it is kept and as it is."""
    m = lerp(m, g, 1 - momentum)
    return m, m / (1 - momentum**t)


def moved(Q, one, other, precond_lr):
    """A triangular factor after a step that brings both matrices nearer to each other."""
    return Q - precond_lr * (triu(one - other) / spectral_bound(one + other)) @ Q


def chance_of(t, probability):
    """How often the factors are moved after t steps."""
    low, high, decay, flat = probability
    return maximum(low, minimum(high, high * exp(decay * (flat - t))))


class PSGDKron(Rule):
    """PSGD Kron: a preconditioner of two factors that descends along its own loss.

    Whitens the momentum as Shampoo does, from both sides of a matrix, but with factors that are
    found by triangular solves and products alone: no root, no eigenvectors. They settle within
    some hundred steps, and move ever more rarely after that. A side of one, or of more than
    max_size, has a diagonal factor, left or right for L or R; a vector has one alone.

        m <- b m + (1 - b) g,  d = m / (1 - b^t)          b = momentum
        waited <- waited + 1
        every 1 / probability steps, with V of normal random numbers:
            waited <- 0
            A  = L d R',  B = L'^-1 V R^-1                L, R upper triangular, one at first
            L <- L - precond_lr triu(A A' - B B') L / |A A' + B B'|
            R <- R - precond_lr triu(A' A - B' B) R / |A' A + B' B|
            left  <- left - precond_lr (a - b) left / max(a + b)      a, b: rows of A^2, B^2
            right <- right - precond_lr (a - b) right / max(a + b)    a, b: their columns
        x  = L' L d R' R
        p <- p - lr x min(1, 1.1 / rms(x))
        probability at step t: high exp(-decay (t - 1 - flat)), but from low to high

    Paper: Li 2015, arXiv:1512.04202; whitening by Kronecker factors: Pooladzandi, Li 2024,
    arXiv:2402.04553.
    Differs: not in torch. A row is an index of axis 0, a column all the others; Walters' kron_torch
    has a factor for each axis. It makes both factors equally large about every hundredth update,
    which changes their product by nothing but rounding and is left out, and decays no vectors.
    """

    signature = "lr, momentum, weight_decay, probability, max_size, precond_lr, seed"
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    momentum: float = setting(0.9, low=0, below=1)
    probability: tuple[float, float, float, float] = setting((0.03, 1.0, 1e-3, 500.0), low=0)
    max_size: int = setting(8192, low=0)
    precond_lr: float = setting(0.1, low=0)
    seed: int = setting(0, low=0)

    m = state("momentum_buffer")
    L = state("left", per=("rows", "rows"))
    R = state("right", per=("columns", "columns"))
    left = state("left_diagonal", per="row", start=1.0)
    right = state("right_diagonal", per="column", start=1.0)
    waited = state("waited", per="tensor")

    @staticmethod
    def update(
        g,
        m,
        L,
        R,
        left,
        right,
        waited,
        t,
        first,
        ndim,
        rows,
        columns,
        lr,
        momentum,
        probability,
        max_size,
        precond_lr,
        seed,
    ):
        is_full_left = ndim > 1 and 1 < rows <= max_size
        is_full_right = ndim > 1 and 1 < columns <= max_size
        if first and is_full_left:
            L = identity(L)
        if first and is_full_right:
            R = identity(R)
        m, d = averaged(g, m, t, momentum)
        waited = waited + 1
        if waited >= 1 / chance_of(t - 1, probability):
            waited, V = 0, noise(seed, t)
            A = L @ d if is_full_left else left * d
            B = solve_triangular(L, V.mT).mT if is_full_left else V / left
            if ndim > 1:
                A = A @ R.mT if is_full_right else A * right
                B = solve_triangular(R, B) if is_full_right else B / right
            if is_full_left:
                L = moved(L, A @ A.mT, B @ B.mT, precond_lr)
            else:
                one, other = sum(A * A, "row"), sum(B * B, "row")
                left = left - precond_lr * (one - other) / largest(one + other) * left
            if is_full_right:
                R = moved(R, A.mT @ A, B.mT @ B, precond_lr)
            elif ndim > 1:
                one, other = sum(A * A, "column"), sum(B * B, "column")
                right = right - precond_lr * (one - other) / largest(one + other) * right
        x = L.mT @ (L @ d) if is_full_left else left * left * d
        if ndim > 1:
            x = x @ R.mT @ R if is_full_right else right * right * x
        u = lr * minimum(1.0, 1.1 / (sqrt(mean(x * x)) + 1e-8)) * x
        return u, m, L, R, left, right, waited
