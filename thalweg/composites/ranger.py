"""Ranger: RAdam with centralized gradients, decoupled decay and Lookahead."""

from thalweg.chain import chain, named
from thalweg.rules import RAdam
from thalweg.stages import Centralize, Decay, Lookahead

Ranger = chain(
    "Ranger",
    named(Centralize, use="use_gc", conv_only="gc_conv_only", normalize="gc_normalize"),
    Decay,
    RAdam,
    Lookahead,
    signature="lr, betas, eps, weight_decay, alpha, k, n_sma_threshold, use_gc, gc_conv_only, "
    "*, gc_normalize, warmup_mode",
    aliases={"N_sma_threshhold": "n_sma_threshold"},
    betas=(0.95, 0.999),
    eps=1e-5,
    decoupled_weight_decay=True,
    doc="""Ranger: RAdam with centralized gradients, decoupled decay and Lookahead.

    RAdam needs no warm-up, Lookahead less tuning, centralized gradients generalize a
    little better: a safe first choice for a network nobody has tuned yet. Evaluate on
    the slow weights (`with opt.slow_weights():`), or call `load_slow_weights()` first.

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
    By position the order is Adam's: (params, lr, betas, eps, weight_decay, alpha, k, ...) where
    ranger.py has (params, lr, alpha, k, N_sma_threshhold, betas, eps, weight_decay, ...).
    """,
)
