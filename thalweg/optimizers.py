"""The registry: every optimizer thalweg ships, by name.

A rule's file is enough to be in it: its optimizer is the rule with the weight decay that the rule
declares in front. What joins more than that is composed here. A chain is made when it is first
asked for, so that forty rules cost a program that uses one of them nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from thalweg import rules
from thalweg.chain import Chain, chain, named
from thalweg.either import either
from thalweg.rule import Declared, Rule
from thalweg.rules import RULES
from thalweg.stages import (
    SAM,
    Cautious,
    Centralize,
    Decay,
    DecoupledDecay,
    GradientSign,
    Lookahead,
    StepDecay,
    TrustRatio,
)

__all__ = ["AUTHORS_ORDER", "OPTIMIZERS", "Registry"]

# what follows `params` and `lr` in an author's own class, where it is another order than here
AUTHORS_ORDER = {
    "Ranger": "the author's ranger.py has alpha, k, N_sma_threshhold, betas, eps, weight_decay",
    "Muon": "Jordan's has weight_decay, momentum or, before that, momentum, nesterov, ns_steps",
    "Adafactor": "transformers' has eps, clip_threshold, decay_rate, beta1, weight_decay",
}

# the stage in front of a rule, by the kind of decay that the rule declares
_DECAYS: dict[str, type[Declared]] = {
    "coupled": Decay,
    "either": Decay,
    "decoupled": DecoupledDecay,
}


def _adamw() -> Chain:
    """AdamW: Adam with decoupled weight decay.

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
    """
    return chain(
        "AdamW",
        OPTIMIZERS["Adam"],
        signature="lr, betas, eps, weight_decay, amsgrad",
        weight_decay=1e-2,
        decoupled_weight_decay=True,
        doc=_adamw.__doc__ or "",
    )


def _ranger() -> Chain:
    """Ranger: RAdam with centralized gradients, decoupled decay and Lookahead.

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
    """
    return chain(
        "Ranger",
        named(Centralize, use="use_gc", conv_only="gc_conv_only", normalize="gc_normalize"),
        Decay,
        rules.RAdam,
        Lookahead,
        signature="lr, betas, eps, weight_decay, alpha, k, n_sma_threshold, use_gc, gc_conv_only, "
        "*, gc_normalize, warmup_mode",
        aliases={"N_sma_threshhold": "n_sma_threshold"},
        betas=(0.95, 0.999),
        eps=1e-5,
        decoupled_weight_decay=True,
        doc=_ranger.__doc__ or "",
    )


def _lamb() -> Chain:
    """LAMB: Adam with a trust ratio for every layer.

    Adam's step, brought to a share lr of its tensor's length: no layer moves too far, whatever
    the batch. For batches of thousands; on small ones AdamW is as good and simpler.

        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        r  = mhat / (sqrt(vhat) + eps) + weight_decay p,      mhat = m / (1 - b1^t)
        p <- p - lr |p| / |r| r                               vhat = v / (1 - b2^t)

    Paper: You et al. 2020, arXiv:1904.00962, Algorithm 2.
    Differs: not in torch. The ratio is 1 where |p| or |r| is zero. Gradients are not clipped
    first, as some packages do: put `ClipNorm` in front for that.
    """
    return chain(
        "LAMB",
        rules.Adam,
        StepDecay,
        TrustRatio,
        signature="lr, betas, eps, weight_decay",
        eps=1e-6,
        doc=_lamb.__doc__ or "",
    )


def _grams() -> Chain:
    """Grams: Adam's step sizes in the direction of the gradient of now.

    Momentum decides how far a coordinate goes and not which way, so it never carries a weight
    past the point where the gradient has turned.

        p <- p - lr weight_decay p
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        p <- p - lr sign(g) |mhat| / (sqrt(vhat) + eps),      mhat = m / (1 - b1^t)
                                                              vhat = v / (1 - b2^t)

    Paper: Cao et al. 2024, arXiv:2412.17107, Algorithm 1.
    Differs: not in torch; weight_decay is 0 unless it is given.
    """
    return _around("Grams", rules.Adam, GradientSign, _grams, signature=_OF_ADAM)


def _cautious_adamw() -> Chain:
    """Cautious AdamW: AdamW whose steps never go against the gradient of now.

    A coordinate whose momentum points against its gradient stands still, and the others go
    further by as much. Reported to train language models in fewer steps, at AdamW's settings.

        p <- p - lr weight_decay p
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        u  = lr mhat / (sqrt(vhat) + eps),                    mhat = m / (1 - b1^t)
        p <- p - u [u g > 0] / max(mean [u g > 0], 1e-3)      vhat = v / (1 - b2^t)

    Paper: Liang et al. 2024, arXiv:2411.16085, Algorithm 1.
    Differs: not in torch.
    """
    more = {"weight_decay": 1e-2, "signature": _OF_ADAM}
    return _around("CautiousAdamW", rules.Adam, Cautious, _cautious_adamw, **more)


def _cautious_lion() -> Chain:
    """Cautious Lion: Lion whose steps never go against the gradient of now.

        p <- p - lr weight_decay p
        u  = lr sign(b1 m + (1 - b1) g)
        p <- p - u [u g > 0] / max(mean [u g > 0], 1e-3)
        m <- b2 m + (1 - b2) g

    Paper: Liang et al. 2024, arXiv:2411.16085, Algorithm 1.
    Differs: not in torch. The scale is that of C-AdamW; the authors' C-Lion has n / (count + 1).
    """
    more = {"signature": "lr, betas, weight_decay"}
    return _around("CautiousLion", rules.Lion, Cautious, _cautious_lion, **more)


def _muon() -> Chain:
    return chain(
        "Muon",
        DecoupledDecay,
        rules.Muon,
        signature=rules.Muon.signature,
        weight_decay=0.1,
        decoupled_weight_decay=True,
        doc=rules.Muon.__doc__ or "",
    )


def _sam() -> Chain:
    """SAM: SGD on the gradient where the loss is worst nearby.

    Each step asks for a second gradient, at the weights that are worst within rho, to first
    order: `opt.step(closure)`, or `opt.first_step()`, a backward pass, `opt.second_step()`. It
    ends in flatter minima, which generalize better. Around another rule it is one line,
    `chain("SAMAdam", SAM, Adam)`.

        e  = rho g / |g|                       |g| over all tensors;
        e  = rho p^2 g / ||p| g|               with adaptive
        g <- gradient at p + e, plus weight_decay p
        b <- momentum b + g
        p <- p - lr b                          lr (g + momentum b) with nesterov

    Paper: Foret et al. 2021, arXiv:2010.01412, Algorithm 1; adaptive: Kwon et al. 2021,
    arXiv:2102.11600.
    Differs: not in torch; 1e-12 is added to the norm.
    """
    return chain(
        "SAM",
        SAM,
        Decay,
        rules.SGD,
        signature="lr, momentum, weight_decay, nesterov, *, rho, adaptive",
        doc=_sam.__doc__ or "",
    )


def _sgdw() -> Chain:
    """SGDW: SGD with decoupled weight decay.

    The weights shrink by themselves and not through the momentum, so that the best weight_decay
    no longer hangs on the momentum: what AdamW is to Adam, for convolutional networks.

        p <- p - lr weight_decay p
        b <- momentum b + (1 - dampening) g      the first time: b <- g
        d  = g + momentum b                      with nesterov; otherwise d = b
        p <- p - lr d

    Paper: Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 1.
    Differs: not in torch. As `SGD` and AdamW of torch, lr is not inside b and the paper's schedule
    multiplier is lr itself.
    """
    return chain(
        "SGDW",
        DecoupledDecay,
        rules.SGD,
        signature=rules.SGD.signature,
        momentum=0.9,
        weight_decay=1e-4,
        decoupled_weight_decay=True,
        doc=_sgdw.__doc__ or "",
    )


def _tiger() -> Chain:
    """Tiger: Lion with one beta, for a budget of one state.

    The sign of a long mean of gradients, with decoupled decay. Made for gradient accumulation
    with no array for the sum, on language models; lr about a third of AdamW's.

        p <- p - lr weight_decay p
        m <- beta m + (1 - beta) g
        p <- p - lr sign(m)

    Paper: none. Su 2023, "Tiger: A Tight-fisted Optimizer", kexue.fm/archives/9512.
    Differs: not in torch. lr is the same for every tensor, as in the ports; the author scales it by
    the root mean square of weights.
    """
    return chain(
        "Tiger",
        DecoupledDecay,
        named(rules.Signum, momentum="beta"),
        signature="lr, beta, weight_decay",
        beta=0.965,
        weight_decay=1e-2,
        decoupled_weight_decay=True,
        doc=_tiger.__doc__ or "",
    )


def _shampoo() -> Chain:
    return chain(
        "Shampoo",
        either(rules.Shampoo, OPTIMIZERS["Adam"]),
        signature="lr, eps, precondition_frequency, *, others_lr, others_betas, others_eps",
        doc=_with_others(rules.Shampoo),
    )


def _soap() -> Chain:
    return chain(
        "SOAP",
        DecoupledDecay,
        either(rules.SOAP, rules.Adam, shared=True),
        signature="lr, betas, shampoo_beta, eps, weight_decay, precondition_frequency",
        weight_decay=1e-2,
        decoupled_weight_decay=True,
        doc=_with_others(rules.SOAP),
    )


def _with_others(rule: type[Rule]) -> str:
    """A rule's text, with what it does to the tensors that it does not take."""
    return (rule.__doc__ or "").replace("\n\n    Paper:", f"{_ADAM_FOR_OTHERS}\n    Paper:")


_ADAM_FOR_OTHERS = """
        m <- b1 m + (1 - b1) g                      Adam, of what is no matrix, or has a
        v <- b2 v + (1 - b2) g^2                    side over 10,000
        p <- p - lr mhat / (sqrt(vhat) + eps)       mhat = m / (1 - b1^t)
                                                    vhat = v / (1 - b2^t)
"""

_OF_ADAM = "lr, betas, eps, weight_decay"


def _around(
    name: str, rule: type[Declared], behind: type[Declared], of: Callable[[], Chain], **more: Any
) -> Chain:
    """A rule with decoupled decay in front of it, and a stage behind that reshapes its step."""
    more = {"decoupled_weight_decay": True, "doc": of.__doc__ or "", **more}
    return chain(name, DecoupledDecay, rule, behind, **more)


# what is more than a rule with its decay
_COMPOSITES: dict[str, Callable[[], Chain]] = {
    "AdamW": _adamw,
    "CautiousAdamW": _cautious_adamw,
    "CautiousLion": _cautious_lion,
    "Grams": _grams,
    "LAMB": _lamb,
    "Muon": _muon,
    "Ranger": _ranger,
    "SAM": _sam,
    "SGDW": _sgdw,
    "SOAP": _soap,
    "Shampoo": _shampoo,
    "Tiger": _tiger,
}


def _plain(name: str) -> Chain:
    """The optimizer that a rule is by itself."""
    rule = getattr(rules, name)
    parts = [rule] if rule.decay is None else [_DECAYS[rule.decay], rule]
    fixed: dict[str, Any] = {"decoupled_weight_decay": True} if rule.decay == "decoupled" else {}
    return chain(name, *parts, signature=rule.signature, aliases=rule.aliases, **fixed)


class Registry(Mapping[str, Chain]):
    """Optimizers by name, each made once, when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Chain]]) -> None:
        self._makers = dict(sorted(makers.items()))
        self._made: dict[str, Chain] = {}

    def __getitem__(self, name: str) -> Chain:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:  # without making it
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


OPTIMIZERS = Registry({**{name: partial(_plain, name) for name in RULES}, **_COMPOSITES})
