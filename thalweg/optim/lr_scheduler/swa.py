"""The scheduler that leads to the constant rate of stochastic weight averaging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from torch.optim import Optimizer, swa_utils

from thalweg.optim.lr_scheduler.saved import as_setting
from thalweg.optim.lr_scheduler.scheduler import Scheduler, for_added_group, per_group_values
from thalweg.schedules.falls import FALLS
from thalweg.schedules.ranges import AMOUNT, SHAPE, WHOLE

__all__ = ["SWALR"]


class SWALR(Scheduler, swa_utils.SWALR):
    """Anneal from the current value to swa_lr in anneal_epochs steps, and keep it there.

    For weight averaging: a constant rate, fairly high, lets the weights walk around the bottom of
    the valley, and their mean is near its middle. It starts from whatever rate another scheduler
    has left, at its own first step.

        lr <- swa_lr + (lr - swa_lr) c(k) / c(k - 1)        at its k-th step; c falls from 1 to 0
        lr <- swa_lr                                        past the last of them

    Paper: Izmailov et al. 2018, arXiv:1803.05407.
    Differs: a new group joins, with the swa_lr that all have, and rebuilding with last_epoch=N
    catches up (see `Scheduler`).
    """

    _unsaved = (*Scheduler._unsaved, "anneal_func")
    _arguments: ClassVar = {"anneal_epochs": WHOLE, "_anneal_strategy": SHAPE}
    _words: ClassVar = {
        "anneal_epochs": "anneal_epochs must be equal or greater than 0, got {}",
        "anneal_strategy": "anneal_strategy must be one of 'cos' or 'linear', instead got {}",
    }

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._attach(optimizer, last_epoch, param)
        owner, words = type(self).__name__, self._words
        as_setting(owner, "anneal_strategy", anneal_strategy, SHAPE, words)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"{owner}: anneal_epochs must be an integer >= 0, got {anneal_epochs!r} "
                f"({words['anneal_epochs'].format(anneal_epochs)})"
            )
        values = per_group_values(owner, "swa_lr", optimizer, swa_lr, AMOUNT.check)
        for group, value in zip(optimizer.param_groups, values, strict=True):
            group[self._goal_key] = value
        self._keep(_anneal_strategy=anneal_strategy, anneal_epochs=anneal_epochs)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _goal_key(self) -> str:
        return f"swa_{self.param}"

    @property
    def anneal_func(self) -> Callable[[float], float]:  # type: ignore[override]
        """The part of the way that is behind, by the part of the steps that is."""
        fall = FALLS[self._anneal_strategy]
        return lambda x: 1 - fall(x, 1.0)

    def _left(self, step: float) -> float:
        """The part of the way that is left after a number of steps."""
        steps = max(1, self.anneal_epochs)
        return FALLS[self._anneal_strategy](float(max(0, step)), steps) if step < steps else 0.0

    def get_lr(self) -> list[Any]:
        """The next values, from those in the groups now."""
        self._warn_outside_of_step()
        if self._is_initial and self.last_epoch > 0:
            self._step_count = self.last_epoch + 1
            return self._resumed()
        # counted in steps and not by `last_epoch`, which a sequence or `step(epoch)` may set
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        ratio = self._ratio(step)
        return [self._towards(i, value, ratio) for i, value in enumerate(self._values())]

    def _ratio(self, step: int) -> float:
        before, now = self._left(step - 1), self._left(step)
        return now / before if before else 0.0

    def _towards(self, i: int, value: Any, part: float) -> Any:
        goal = self.optimizer.param_groups[i][self._goal_key]
        return goal + (value - goal) * part

    def _prepare(self, group: dict[str, Any], i: int) -> None:
        key, groups = self._goal_key, self.optimizer.param_groups
        goals = [other[key] for other in groups if key in other and other is not group]
        group[key] = for_added_group(type(self).__name__, group, key, goals)

    def _caught_up(self, value: Any, i: int, t: float) -> Any:
        return self._towards(i, value, self._left(t))

    def _moved(self, value: Any, i: int) -> Any:
        return self._towards(i, value, self._ratio(self.last_epoch))

    def _fast_forward(self, steps: int) -> None:
        self._step_count += steps
        self.last_epoch = steps
        self._write([self._caught_up(value, i, steps) for i, value in enumerate(self._copies())])
