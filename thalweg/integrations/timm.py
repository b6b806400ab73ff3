"""timm: every optimizer by name in its factory."""

from __future__ import annotations

from timm.optim import OptimInfo
from timm.optim._optim_factory import default_registry

import thalweg.optim
from thalweg.optimizers import OPTIMIZERS

__all__ = ["PREFIX", "register"]

PREFIX = "thalweg"


def register() -> list[str]:
    """Make the optimizers known to `timm.optim.create_optimizer_v2`; returns the names.

        register()
        opt = create_optimizer_v2(model, "thalwegranger", lr=1e-3, weight_decay=0.05)

    A name is "thalweg" with the class's in small letters, since timm's may have no underscore but
    that of "lookahead_". timm passes its `momentum`, `eps` and `betas` on to those that have them,
    and a weight decay to all: an optimizer that has none is not registered.
    """
    decaying = [name for name in OPTIMIZERS if "weight_decay" in OPTIMIZERS[name].settings]
    return [_register(name) for name in decaying]


def _register(name: str) -> str:
    chain = OPTIMIZERS[name]
    betas = chain.settings.get("betas")
    info = OptimInfo(
        name=f"{PREFIX}{name.lower()}",
        opt_class=getattr(thalweg.optim, name),
        description=f"thalweg's {name}",
        has_eps=isinstance(getattr(chain.settings.get("eps"), "default", None), float),
        has_momentum="momentum" in chain.settings,
        has_betas=betas is not None,
        num_betas=len(betas.default) if betas is not None else 2,
    )
    default_registry.register(info)
    return str(info.name)
