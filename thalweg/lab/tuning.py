"""The second half of a search, by Optuna: where its trials go, and which of them end early.

Optuna is shown the first half alone, in a study of its own that lives in memory. So a trial is the
same whoever does it and whenever, on one machine or on several.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from thalweg.lab.errors import UserError
from thalweg.lab.search import Setting
from thalweg.lab.specification import Range
from thalweg.lab.training import Curve

__all__ = ["Tried", "distributions_of", "hopeless", "load_optuna", "next_setting"]

# A trial of the first half: its setting, and what was seen of it.
Tried = tuple[Setting, Curve]

# A trial is not pruned in such a part of its looks: beginnings say little.
_SPARED = 0.25

# The share of the first half that counts as good: of ten trials Optuna's own is one.
_GOOD = 0.3

# In the place of a loss that is not finite, which Optuna does not take.
_WORST = 1e30


def load_optuna() -> Any:
    """Import Optuna, which speaks of nothing but errors here."""
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            f"--tune and --storage need {error.name}: pip install 'thalweg[lab]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def next_setting(
    space: Mapping[str, Range], tried: Sequence[Tried], seed: int, number: int
) -> Setting:
    """Where trial `number` goes, by Optuna's TPE on what was tried."""
    optuna = load_optuna()
    with _quiet():
        sampler = optuna.samplers.TPESampler(
            seed=seed * 1_000_003 + number,
            n_startup_trials=0,
            multivariate=True,
            gamma=lambda count: math.ceil(_GOOD * count),
        )
        study = optuna.create_study(sampler=sampler)
        distributions = distributions_of(space)
        for setting, curve in tried:
            study.add_trial(_trial(setting, curve, distributions))
        found = study.ask(distributions).params
    return {
        name: int(value) if space[name].kind == "whole" else float(f"{value:.4g}")
        for name, value in found.items()
    }


def hopeless(tried: Sequence[Tried]) -> Callable[[Curve], bool]:
    """Whether Optuna's median pruner gives a training up, by the validation loss of its looks."""
    optuna = load_optuna()
    with _quiet():
        looks = max((len(curve.step) for _, curve in tried), default=0)
        pruner = optuna.pruners.MedianPruner(
            n_startup_trials=1, n_warmup_steps=math.ceil(_SPARED * looks)
        )
        study = optuna.create_study(pruner=pruner)
        for _, curve in tried:
            study.add_trial(_trial({}, curve, {}))
        trial = study.ask()

    def is_hopeless(curve: Curve) -> bool:
        trial.report(_finite(curve.validation_loss[-1]), len(curve.step))
        return bool(trial.should_prune())

    return is_hopeless


def distributions_of(space: Mapping[str, Range]) -> dict[str, Any]:
    """Ranges as Optuna has them."""
    given = load_optuna().distributions
    return {
        name: given.IntDistribution(int(one.low), int(one.high))
        if one.kind == "whole"
        else given.FloatDistribution(one.low, one.high, log=one.kind == "log")
        for name, one in space.items()
    }


def _trial(setting: Setting, curve: Curve, distributions: Mapping[str, Any]) -> Any:
    values = dict(enumerate(map(_finite, curve.validation_loss), 1))
    return load_optuna().trial.create_trial(
        params={name: setting[name] for name in distributions},
        distributions=distributions,
        value=values[len(values)],
        intermediate_values=values,
    )


def _finite(loss: float) -> float:
    return min(loss, _WORST) if not math.isnan(loss) else _WORST


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the word that a part of Optuna is new."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
