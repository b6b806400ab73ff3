"""Every optimizer thalweg ships: which rule, which stages around it, torch's argument order."""

from thalweg import rules
from thalweg.chain import Chain, chain, named
from thalweg.stages import Centralize, Decay, Lookahead

__all__ = ["OPTIMIZERS"]

SGD = chain(
    "SGD",
    Decay,
    rules.SGD,
    signature="lr, momentum, dampening, weight_decay, nesterov",
)

Adam = chain(
    "Adam",
    Decay,
    rules.Adam,
    signature="lr, betas, eps, weight_decay, amsgrad, *, decoupled_weight_decay",
)

AdamW = chain(
    "AdamW",
    Adam,
    signature="lr, betas, eps, weight_decay, amsgrad",
    weight_decay=1e-2,
    decoupled_weight_decay=True,
    doc="""AdamW: Adam with decoupled weight decay.

    Every weight loses the same share per step, whatever its gradient's scale, where Adam's own
    decay would be divided by it. The default for transformers.

        p    <- p - lr weight_decay p
        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        vmax <- max(vmax, v)                              with amsgrad
        p    <- p - lr mhat / (sqrt(vhat) + eps),         mhat = m / (1 - b1^t)
                                                          vhat = v / (1 - b2^t), or vmax's

    Paper: Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 2.
    Differs: as torch, the schedule multiplier of the paper is lr itself, and vmax is taken
    before the bias correction. Where torch refuses an lr or betas that are tensors, with foreach
    or beside floats, they are taken.
    """,
)

Adadelta = chain("Adadelta", Decay, rules.Adadelta, signature="lr, rho, eps, weight_decay")

Adagrad = chain(
    "Adagrad",
    Decay,
    rules.Adagrad,
    signature="lr, lr_decay, weight_decay, initial_accumulator_value, eps",
)

Adamax = chain("Adamax", Decay, rules.Adamax, signature="lr, betas, eps, weight_decay")

ASGD = chain("ASGD", Decay, rules.ASGD, signature="lr, lambd, alpha, t0, weight_decay")

NAdam = chain(
    "NAdam",
    Decay,
    rules.NAdam,
    signature="lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay",
)

RAdam = chain(
    "RAdam",
    Decay,
    rules.RAdam,
    signature="lr, betas, eps, weight_decay, decoupled_weight_decay",
)

RMSprop = chain(
    "RMSprop",
    Decay,
    rules.RMSprop,
    signature="lr, alpha, eps, weight_decay, momentum, centered",
)

Rprop = chain("Rprop", rules.Rprop, signature="lr, etas, step_sizes")

SparseAdam = chain("SparseAdam", rules.SparseAdam, signature="lr, betas, eps")

Ranger = chain(
    "Ranger",
    named(Centralize, use="use_gc", conv_only="gc_conv_only", normalize="gc_normalize"),
    Decay,
    rules.RAdam,
    Lookahead,
    signature="lr, betas, eps, weight_decay, alpha, k, n_sma_threshold, use_gc, gc_conv_only, *, "
    "gc_normalize, warmup_mode",
    aliases={"N_sma_threshhold": "n_sma_threshold"},
    betas=(0.95, 0.999),
    eps=1e-5,
    decoupled_weight_decay=True,
    doc="""Ranger: RAdam with centralized gradients, decoupled decay and Lookahead.

    RAdam needs no warm-up, Lookahead less tuning, centralized gradients generalize a
    little better: a safe first choice for a network nobody has tuned yet. Evaluate on
    the slow weights (`with opt.slow_weights():`), or call `sync()` first.

        g    <- g - mean(g)                             rows of weights, with use_gc
        p    <- p - lr weight_decay p
        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        p    <- p - lr r mhat / (sqrt(vhat) + eps)      if rho > n_sma_threshold
        p    <- p - lr mhat                             otherwise
        slow <- slow + alpha (p - slow);  p <- slow     every k steps

    Paper: Wright 2019 (the combination); Liu et al. 2020, arXiv:1908.03265; Zhang et al.
    2019, arXiv:1907.08610; Yong et al. 2020, arXiv:2004.01461.
    Differs: not in torch. Follows the author's ranger.py; use_gc=False, ignored there, works.
    """,
)

OPTIMIZERS: dict[str, Chain] = {
    c.name: c
    for c in (
        SGD,
        Adadelta,
        Adagrad,
        Adam,
        AdamW,
        Adamax,
        ASGD,
        NAdam,
        RAdam,
        RMSprop,
        Rprop,
        SparseAdam,
        Ranger,
    )
}
