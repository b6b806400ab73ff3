"""Dion: Muon's steps of low rank, by one power iteration each."""

from thalweg.elementwise import maximum, sqrt
from thalweg.matrices import first_columns, qr, row_lengths
from thalweg.requests import noise
from thalweg.rule import Rule, setting, state


class Dion(Rule):
    """Dion: Muon's steps of low rank, by one power iteration each.

    The momentum is followed by a basis of `rank` columns; the step is orthogonal on these, and
    what the basis misses stays in the momentum for later. Less work than Muon's iteration where
    rank is a fraction of the sides, and an lr that holds at every width. For the hidden matrices
    of a network: `Dion(model, others=AdamW)`.

        p <- p - lr weight_decay p
        m <- m + g
        P  = the orthogonal factor of m Q           Q starts as normal random numbers
        R  = m' P
        m <- m - (1 - mu) P R'
        Q <- R, each column divided by its length plus eps
        p <- p - lr sqrt(rows / columns) P Q'

    Paper: Ahn et al. 2025, arXiv:2504.05295, Algorithm 1.
    Differs: not in torch. P is by QR, as in the authors' plain version; the other has a randomized
    Cholesky QR. The rank is a number, cut to the smaller side; theirs may be a share of it.
    """

    signature = "lr, mu, weight_decay, rank, eps, seed"
    decay = "decoupled"

    lr: float = setting(0.01, low=0)
    mu: float = setting(0.95, low=0, high=1)
    rank: int = setting(768, low=1)
    eps: float = setting(1e-8, low=0)
    seed: int = setting(0, low=0)

    m = state("momentum")
    Q = state("Q", per=("columns", "rank"))

    @staticmethod
    def takes(ndim):
        return ndim == 2

    @staticmethod
    def update(g, m, Q, t, first, rows, columns, lr, mu, rank, eps, seed):
        m = m + g
        if first:
            z = noise(seed, t)
            Q = first_columns(z.mT, rank)
        P = qr(m @ Q)
        R = m.mT @ P
        m = m - (1 - mu) * (P @ R.mT)
        Q = R / (row_lengths(R.mT).mT + eps)
        u = lr * sqrt(rows / maximum(columns, 1)) * (P @ Q.mT)
        return u, m, Q
