"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from thalweg.elementwise import lerp, sqrt
from thalweg.matrices import descending, eigenbasis, qr
from thalweg.rule import Rule, setting, state


class SOAP(Rule):
    """SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

    The gradient is turned into a basis in which its coordinates are little correlated, Adam
    runs there, and the step is turned back. Fewer steps than AdamW where the Hessian is far
    from diagonal; each costs a handful of products of the matrix with its bases.

        L, R  <- means of g g' and g' g, by shampoo_beta
        P, Q   = their eigenvectors, followed by one power step and QR every
                 precondition_frequency steps, when their columns and v are put in the
                 order of the eigenvalues that they stand for
        m     <- b1 m + (1 - b1) g
        x      = P' g Q
        v     <- b2 v + (1 - b2) x^2
        p     <- p - lr P ((P' mhat Q) / (sqrt(vhat) + eps)) Q',  mhat = m / (1 - b1^(t-1))
                                                                  vhat = v / (1 - b2^(t-1))

    Paper: Vyas et al. 2024, arXiv:2409.11321, Algorithm 3.
    Differs: not in torch. As the authors' code, the first step only looks around. A row is an index
    of axis 0, a column all the others, where their code has a basis for each axis; with merge_dims
    what is left of more than two sides is so many matrices with two bases each. A side too long for
    their max_precond_dim has no basis there; here block_size cuts it, or Adam takes the matrix.
    """

    signature = "lr, betas, shampoo_beta, eps, precondition_frequency"

    lr: float = setting(3e-3, low=0)
    betas: tuple[float, float] = setting((0.95, 0.95), low=0, below=1)
    shampoo_beta: float = setting(0.95, low=0, below=1)
    eps: float = setting(1e-8, low=0)
    precondition_frequency: int = setting(10, low=1)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    L = state("left", per=("rows", "rows"))
    R = state("right", per=("columns", "columns"))
    P = state("left_basis", per=("rows", "rows"))
    Q = state("right_basis", per=("columns", "columns"))

    @staticmethod
    def takes(ndim, rows, columns):
        return ndim > 1 and rows <= 10_000 and columns <= 10_000

    @staticmethod
    def update(g, m, v, L, R, P, Q, t, first, lr, betas, shampoo_beta, eps, precondition_frequency):
        b1, b2 = betas
        if first:
            L = (1 - shampoo_beta) * (g @ g.mT)
            R = (1 - shampoo_beta) * (g.mT @ g)
            P, Q = eigenbasis(L), eigenbasis(R)
            u = 0.0
        else:
            x = P.mT @ g @ Q
            m = lerp(m, g, 1 - b1)
            v = b2 * v + (1 - b2) * x * x
            d = P @ ((P.mT @ m @ Q) / (sqrt(v) + eps)) @ Q.mT
            L = lerp(L, g @ g.mT, 1 - shampoo_beta)
            R = lerp(R, g.mT @ g, 1 - shampoo_beta)
            if (t - 1) % precondition_frequency == 0:
                left, right = P.mT @ L @ P, Q.mT @ R @ Q
                v = descending(descending(v, right).mT, left).mT
                P, Q = qr(L @ descending(P, left)), qr(R @ descending(Q, right))
            u = lr * sqrt(1 - b2 ** (t - 1)) / (1 - b1 ** (t - 1)) * d
        return u, m, v, L, R, P, Q
