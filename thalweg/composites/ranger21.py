"""Ranger21: AdaPNM with clipped and standardized gradients, norm loss and Lookahead."""

from thalweg.chain import chain, named
from thalweg.rules import AdaPNM
from thalweg.stages import AGC, Centralize, Lookahead, NormLoss, Standardize

Ranger21 = chain(
    "Ranger21",
    AGC,
    named(Centralize, use="use_gc", conv_only="gc_conv_only", normalize="gc_normalize"),
    named(Standardize, use="use_gcnorm"),
    NormLoss,
    AdaPNM,
    Lookahead,
    signature="lr, betas, eps, weight_decay, alpha, k, *, clip_factor, clip_eps, use_gc, "
    "use_gcnorm, norm_loss, softplus, amsgrad",
    weight_decay=1e-4,
    stable_decay=True,
    softplus=50.0,
    k=5,
    doc="""Ranger21: AdaPNM with clipped and standardized gradients, norm loss and Lookahead.

    Ten ideas of the years to 2021 in one optimizer, which its authors report to train ResNets even
    without batch norms. Give it a warm-up and a fall of lr at the end, as they have; evaluate on
    the slow weights, `with opt.evaluation():`.

        g    <- g min(1, clip_factor max(|p|, clip_eps) / max(|g|, 1e-6))        row by row
        g    <- (g - mean(g)) / std(g)              a row's mean, with use_gc; a tensor's deviation
        p    <- p - 2 lr norm_loss (1 - 1 / |p|) p                               row by row
        m    <- b1^2 m + (1 - b1^2) g               at odd steps; at even ones n, by the same
        v    <- b2 v + (1 - b2) g^2,    vmax <- max(vmax, v),    vhat = v / (1 - b2^t)
        d     = ((1 + b3) m - b3 n) / sqrt((1 + b3)^2 + b3^2)         m and n change places
        x     = sqrt(vmax / (1 - b2^t)) + eps
        p    <- p - lr d / (1 - b1^t) / (log(1 + e^(softplus x)) / softplus)
                  - lr weight_decay / sqrt(mean(vhat)) p                      mean of all tensors
        slow <- slow + alpha (p - slow);  p <- slow                           every k steps

    Paper: Wright and Demeure 2021, arXiv:2106.13731, Algorithm 1, and the authors' later softplus
    and standardization.
    Differs: not in torch. Warm-up and warm-down are a schedule's; the decay reaches every weight
    and vmax grows, neither of which it does in the authors' code; norm loss sees the weights before
    the decay. Without their MADGRAD and AdaBelief cores.
    """,
)
