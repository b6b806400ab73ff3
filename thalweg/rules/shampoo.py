"""Shampoo: a preconditioner for the rows of a matrix, and one for its columns."""

from thalweg.matrices import inverse_root
from thalweg.rule import Rule, setting, state


class Shampoo(Rule):
    """Shampoo: a preconditioner for the rows of a matrix, and one for its columns.

    AdaGrad with the correlations of the coordinates, kept as two small matrices in place of
    one as large as the square of the parameter. Strong where many steps are too many; the
    roots are the price, and may be renewed every few steps only.

        L <- L + g g',  R <- R + g' g               plus eps times one
        P, Q = L^(-1/4), R^(-1/4)                   renewed every precondition_frequency steps
        p <- p - lr P g Q

    Paper: Gupta et al. 2018, arXiv:1802.09568, Algorithm 1.
    Differs: not in torch. A row is an index of axis 0, a column all the others, where the paper has
    a preconditioner for each axis. The authors' distributed code cuts matrices into blocks of 1024
    and takes small axes together without being asked: block_size=1024, merge_dims=1024. No
    grafting, by which that code takes the size of a step from another rule: put `TrustRatio` behind
    it for steps of the size of the weights.
    """

    signature = "lr, eps, precondition_frequency"

    lr: float = setting(1e-1, low=0)
    eps: float = setting(1e-4, above=0)
    precondition_frequency: int = setting(1, low=1)

    L = state("left", per=("rows", "rows"))
    R = state("right", per=("columns", "columns"))
    P = state("left_root", per=("rows", "rows"))
    Q = state("right_root", per=("columns", "columns"))

    @staticmethod
    def takes(ndim, rows, columns):
        return ndim > 1 and rows <= 10_000 and columns <= 10_000

    @staticmethod
    def update(g, L, R, P, Q, t, first, lr, eps, precondition_frequency):
        L = L + g @ g.mT
        R = R + g.mT @ g
        if first or t % precondition_frequency == 0:
            P, Q = inverse_root(L, 4, eps), inverse_root(R, 4, eps)
        u = lr * (P @ g @ Q)
        return u, L, R, P, Q
