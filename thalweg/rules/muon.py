"""Muon: momentum, orthogonalized."""

from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.matrices import newton_schulz
from thalweg.rule import Rule, setting, state


def momentum_of(g, m, momentum, nesterov):
    """The mean of recent gradients, and what is orthogonalized of it."""
    m = lerp(m, g, 1 - momentum)
    d = lerp(g, m, momentum) if nesterov else m
    return d, m


def size_of(rows, columns, adjust_lr_fn):
    """What an orthogonal matrix is multiplied by."""
    if adjust_lr_fn == "match_rms_adamw":
        s = 0.2 * sqrt(maximum(rows, columns))
    elif adjust_lr_fn == "spectral_norm":
        s = sqrt(rows / maximum(columns, 1))
    else:
        s = sqrt(maximum(1.0, rows / maximum(columns, 1)))
    return s


class Muon(Rule):
    """Muon: momentum, orthogonalized.

    The step of a weight matrix has all its singular values near one, so that rare directions
    are learned as fast as common ones. For the hidden matrices of a network, with flatten for
    convolutions as rows by all the rest, with heads for so many matrices, one above the other;
    embeddings, heads and vectors go to AdamW: `Muon(model, others=AdamW)`.

        p  <- p - lr weight_decay p
        m  <- m + (1 - momentum) (g - m)
        d   = m + (1 - momentum) (g - m)        with nesterov, else m
        x   = d / |d|, then ns_steps times
        x  <- a x + (b x x' + c (x x')^2) x     a, b, c = ns_coefficients
        p  <- p - lr s x                        s = sqrt(max(1, rows / columns)), or
                                                0.2 sqrt(max(rows, columns)) to match AdamW, or
                                                sqrt(rows / columns), "spectral_norm", for an
                                                lr that holds at every width

    Paper: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; decay and s to match
    AdamW: Liu et al. 2025, arXiv:2502.16982; s for every width: Yang et al. 2023, arXiv:2310.17813.
    Differs: as torch, the momentum is an average where Jordan has a sum, and x is iterated in
    bfloat16 (in NumPy, in the parameter's own type). Not as torch, 1 - momentum is worked out in
    double, and bfloat16 parameters without nesterov keep their momentum; torch normalizes it in
    place. By position the order is torch's; Jordan's: (params, lr, momentum, nesterov, ns_steps).
    torch has neither flatten nor heads; Jordan takes s of a convolution's last two axes.
    """

    signature = (
        "lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, adjust_lr_fn, *, "
        "flatten, heads"
    )
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    momentum: float = setting(0.95, low=0)
    nesterov: bool = True
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315)
    eps: float = 1e-7
    ns_steps: int = setting(5, below=100)
    adjust_lr_fn: str = setting(
        "original", choices=("original", "match_rms_adamw", "spectral_norm", None)
    )
    flatten: bool = False
    heads: int = setting(1, low=1)

    m = state("momentum_buffer")

    @staticmethod
    def takes(ndim, flatten):
        return ndim == 2 or (ndim > 2 and flatten)

    @staticmethod
    def update(
        g,
        m,
        rows,
        columns,
        lr,
        momentum,
        nesterov,
        ns_coefficients,
        eps,
        ns_steps,
        adjust_lr_fn,
        heads,
    ):
        d, m = momentum_of(g, m, momentum, nesterov)
        x = newton_schulz(d, ns_coefficients, ns_steps, eps, heads)
        u = lr * size_of(rows / heads, columns, adjust_lr_fn) * x
        return u, m
