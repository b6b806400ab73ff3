"""NorMuon: Muon with a step size for each row."""

from thalweg.elementwise import lerp, sqrt
from thalweg.matrices import newton_schulz
from thalweg.reductions import mean, norm
from thalweg.rule import Rule, setting, state
from thalweg.rules.muon import momentum_of, size_of


class NorMuon(Rule):
    """NorMuon: Muon with a step size for each row.

    Muon's matrix has singular values near one, and rows of very unlike lengths; here each row,
    the weights of one neuron, is divided by the root of its own mean square, kept as one number.
    As Muon for the hidden matrices of a network, in fewer steps: `NorMuon(model, others=AdamW)`.

        p  <- p - lr weight_decay p
        m  <- m + (1 - momentum) (g - m)
        d   = m + (1 - momentum) (g - m)        with nesterov, else m
        x   = d, orthogonalized as by Muon
        v  <- beta2 v + (1 - beta2) mean(x^2)                over a row: an index of axis 0
        y   = x / (sqrt(v) + eps)
        p  <- p - lr s y |x| / (|y| + eps)      s as Muon's

    Paper: Li et al. 2025, arXiv:2510.05491, Algorithm 1.
    Differs: not in torch. As the authors' code, y has the length of x, where the paper gives it
    AdamW's, which is `adjust_lr_fn="match_rms_adamw"` but for how far x is from orthogonal. With
    flatten a convolution is a matrix, rows by all the rest; the authors' means are of kernel rows.
    """

    signature = (
        "lr, weight_decay, momentum, beta2, nesterov, ns_coefficients, eps, ns_steps, "
        "adjust_lr_fn, *, flatten"
    )
    decay = "decoupled"

    lr: float = setting(0.02, low=0)
    momentum: float = setting(0.95, low=0)
    beta2: float = setting(0.95, low=0, below=1)
    nesterov: bool = True
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315)
    eps: float = setting(1e-10, low=0)
    ns_steps: int = setting(5, below=100)
    adjust_lr_fn: str = setting(
        "original", choices=("original", "match_rms_adamw", "spectral_norm", None)
    )
    flatten: bool = False

    m = state("momentum_buffer")
    v = state("second_momentum_buffer", per="row")

    @staticmethod
    def takes(ndim, flatten):
        return ndim == 2 or (ndim > 2 and flatten)

    @staticmethod
    def update(
        g,
        m,
        v,
        rows,
        columns,
        lr,
        momentum,
        beta2,
        nesterov,
        ns_coefficients,
        eps,
        ns_steps,
        adjust_lr_fn,
    ):
        d, m = momentum_of(g, m, momentum, nesterov)
        x = newton_schulz(d, ns_coefficients, ns_steps, 1e-7)
        v = lerp(v, mean(x * x, "row"), 1 - beta2)
        y = x / (sqrt(v) + eps)
        u = lr * size_of(rows, columns, adjust_lr_fn) * norm(x) / (norm(y) + eps) * y
        return u, m, v
