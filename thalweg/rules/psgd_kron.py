"""PSGD Kron: a preconditioner of two factors that descends along its own loss."""

from thalweg.elementwise import exp, lerp, maximum, minimum, sqrt
from thalweg.matrices import identity, solve_triangular, spectral_bound, triu
from thalweg.reductions import largest, mean, sum
from thalweg.requests import noise
from thalweg.rule import Rule, setting, state


def moved(Q, one, other, precond_lr):
    """A triangular factor after a step that brings both matrices nearer to each other."""
    return Q - precond_lr * (triu(one - other) / spectral_bound(one + other)) @ Q


def chance_of(t, probability, decay, flat_start):
    """How often the factors are moved after t steps."""
    low, high = probability
    return maximum(low, minimum(high, high * exp(decay * (flat_start - t))))


class PSGDKron(Rule):
    """PSGD Kron: a preconditioner of two factors that descends along its own loss.

    Whitens the momentum as Shampoo does, from both sides of a matrix, but with factors that are
    found by triangular solves and products alone: no root, no eigenvectors. They settle within
    some hundred steps, and are followed ever more rarely after that.

        m <- b m + (1 - b) g,  d = m / (1 - b^t)          b = momentum
        every 1 / probability steps, with V of normal random numbers:
            A  = L d R',  B = L'^-1 V R^-1                L, R upper triangular, one at first
            L <- L - precond_lr triu(A A' - B B') L / |A A' + B B'|
            R <- R - precond_lr triu(A' A - B' B) R / |A' A + B' B|
        x  = L' L d R' R
        p <- p - lr x min(1, 1.1 / rms(x))
        probability = high exp(-decay (t - flat)), from low to high

    A side of one, or of more than max_size, has a diagonal factor; a vector has one alone.

    Paper: Li 2015, arXiv:1512.04202; whitening by Kronecker factors: Pooladzandi, Li 2024,
    arXiv:2402.04553.
    Differs: not in torch. A row is an index of axis 0, a column all the others; Walters' kron_torch
    has a factor for each axis. It makes both factors equally large about every hundredth update,
    which changes their product by nothing but rounding and is left out, and decays no vectors.
    """

    signature = (
        "lr, momentum, weight_decay, probability, probability_decay, flat_start, max_size, "
        "precond_lr, precond_init_scale, seed"
    )
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    momentum: float = setting(0.9, low=0, below=1)
    probability: tuple[float, float] = setting((0.03, 1.0), above=0, high=1)
    probability_decay: float = setting(1e-3, low=0)
    flat_start: int = setting(500, low=0)
    max_size: int = setting(8192, low=0)
    precond_lr: float = setting(0.1, low=0)
    precond_init_scale: float = setting(1.0, above=0)
    seed: int = setting(0, low=0)

    m = state("momentum_buffer")
    L = state("left", per=("rows", "rows"))
    R = state("right", per=("columns", "columns"))
    left = state("left_diagonal", per="row")
    right = state("right_diagonal", per="column")
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
        probability_decay,
        flat_start,
        max_size,
        precond_lr,
        precond_init_scale,
        seed,
    ):
        is_matrix = ndim > 1
        is_full_left = is_matrix and 1 < rows <= max_size
        is_full_right = is_matrix and 1 < columns <= max_size
        scale = sqrt(precond_init_scale) if is_matrix else precond_init_scale
        if first and is_full_left:
            L = scale * identity(L)
        if first and not is_full_left:
            left = scale
        if first and is_full_right:
            R = scale * identity(R)
        if first and is_matrix and not is_full_right:
            right = scale
        m = lerp(m, g, 1 - momentum)
        d = m / (1 - momentum**t)
        waited = waited + 1
        if waited >= 1 / chance_of(t - 1, probability, probability_decay, flat_start):
            waited = 0
            A, B = d, noise(seed, t)
            if is_full_left:
                A, B = L @ A, solve_triangular(L, B.mT).mT
            else:
                A, B = left * A, B / left
            if is_full_right:
                A, B = A @ R.mT, solve_triangular(R, B)
            elif is_matrix:
                A, B = A * right, B / right
            if is_full_left:
                L = moved(L, A @ A.mT, B @ B.mT, precond_lr)
            else:
                one, other = sum(A * A, "row"), sum(B * B, "row")
                left = left - precond_lr * (one - other) / largest(one + other) * left
            if is_full_right:
                R = moved(R, A.mT @ A, B.mT @ B, precond_lr)
            elif is_matrix:
                one, other = sum(A * A, "column"), sum(B * B, "column")
                right = right - precond_lr * (one - other) / largest(one + other) * right
        x = L.mT @ (L @ d) if is_full_left else left * left * d
        if is_matrix:
            x = x @ R.mT @ R if is_full_right else right * right * x
        u = lr * minimum(1.0, 1.1 / (sqrt(mean(x * x)) + 1e-8)) * x
        return u, m, L, R, left, right, waited
