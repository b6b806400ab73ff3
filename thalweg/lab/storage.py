"""The same in Optuna's storage, SQLite or PostgreSQL, where several processes share the work.

A training that somebody has taken on is a running trial of one study. It bears a beat, a number
that its process raises every second; who sees it stand still for longer than `_PATIENCE` by his own
clock takes the process for dead and its training on. If it was alive after all, both find the same.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from thalweg.lab.contest import Contest, Unit
from thalweg.lab.errors import UserError
from thalweg.lab.ledger import Record, check_same
from thalweg.lab.specification import Range
from thalweg.lab.tuning import distributions_of, load_optuna

__all__ = ["Storage", "default_storage", "open_storage"]

_BEAT = 1.0
_PATIENCE = 15.0

_FILE = "trials.db"

# What a database says of a table or a row that another process has made meanwhile.
_AT_ONCE = ("IntegrityError", "ProgrammingError", "StorageInternalError", "InternalError")
_ATTEMPTS = 8


def default_storage(folder: Path, resume: bool) -> str:
    """A file of SQLite beside the results, which begins anew unless it is gone on with."""
    path = (folder / _FILE).resolve()
    if not resume:
        path.unlink(missing_ok=True)
    return f"sqlite:///{path}"


class Storage:
    """A ledger that other processes read and write too."""

    def __init__(self, storage: Any, study: Any, contest: Contest) -> None:
        self._optuna, self._storage, self._study = load_optuna(), storage, study
        self._contest = contest
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._seen: set[int] = set()
        self._latest: list[Any] = []  # as they were when news were last asked for
        self._closed: int | None = None
        self._mine: dict[Unit, int] = {}
        self._beats: dict[int, tuple[Any, float]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def news(self) -> list[Record]:
        """What has been finished since the last time, by whomever."""
        records = []
        self._latest = self._trials()
        for trial in self._latest:
            if trial.number not in self._seen and "record" in trial.user_attrs:
                self._seen.add(trial.number)
                records.append(Record.of(json.loads(trial.user_attrs["record"])))
        closed = self._study.user_attrs.get("closed")
        if closed != self._closed:
            self._closed = closed
            records.append(Record(None, None, closed))
        return records

    def claim(self, unit: Unit) -> bool:
        """Take a training on, unless it is done or a living process has it.

        Of two that take it at once the one whose trial has the lower number keeps it.
        """
        if self._holders(unit, self._latest):
            return False
        token = secrets.token_hex(8)
        self._storage.create_new_trial(self._study_id, self._new(unit, token))
        holders = self._holders(unit, self._trials())
        mine = next(one for one in holders if one.user_attrs["by"] == token)
        if holders[0].number != mine.number:
            self._end(mine.number, "FAIL")
            return False
        with self._lock:
            self._mine[unit] = mine.number
        return True

    def record(self, record: Record) -> None:
        """Keep a finished training; the same one twice does no harm."""
        if record.unit is None or record.outcome is None:
            self._study.set_user_attr("closed", record.closed)
            return
        with self._lock:
            number = self._mine.pop(record.unit)
        with suppress(self._optuna.exceptions.UpdateFinishedTrialError):
            # else it was taken for dead, and somebody else has done it
            self._tell(number, "record", json.dumps(record.as_dict()))
            pruned = record.outcome.pruned_at is not None
            loss = min(record.outcome.validation_loss, 1e300)
            self._end(number, "PRUNED" if pruned else "COMPLETE", loss)

    def release(self) -> None:
        """Give back what was taken on and not finished, and stop beating."""
        self._over.set()
        self._heart.join()
        for number in self._mine.values():
            self._end(number, "FAIL")
        self._mine.clear()

    def release_others(self) -> None:
        """Give back what processes that are gone had taken on."""
        for trial in self._trials():
            if not trial.state.is_finished():
                self._end(trial.number, "FAIL")

    def _trials(self) -> list[Any]:
        found: list[Any] = self._study.get_trials(deepcopy=False)
        return found

    def _holders(self, unit: Unit, trials: list[Any]) -> list[Any]:
        """The trials of a training that are done, or running and alive, the first one first."""
        found = []
        for trial in trials:
            if trial.user_attrs.get("unit") != list(unit) or trial.state.name == "FAIL":
                continue
            if trial.state.is_finished() or not self._is_dead(trial):
                found.append(trial)
            else:
                self._end(trial.number, "FAIL")
        return found

    def _is_dead(self, trial: Any) -> bool:
        now, beat = time.monotonic(), trial.user_attrs.get("beat")
        before, since = self._beats.setdefault(trial.number, (beat, now))
        if before != beat:
            self._beats[trial.number] = (beat, now)
            return False
        return now - since > _PATIENCE

    def _new(self, unit: Unit, token: str) -> Any:
        """A running trial; its parameters go by the optimizer's name, whose ranges they are."""
        entry = self._contest.entry(unit.label)
        setting = entry.trial_setting(unit.number) if unit.kind == "trial" else {}
        space = entry.search.space if entry.search else {}
        wide = {
            name: Range(min(space[name].low, value), max(space[name].high, value), space[name].kind)
            for name, value in setting.items()
        }
        return self._optuna.trial.create_trial(
            state=self._optuna.trial.TrialState.RUNNING,
            params={f"{unit.label}: {name}": value for name, value in setting.items()},
            distributions={f"{unit.label}: {k}": v for k, v in distributions_of(wide).items()},
            user_attrs={"unit": list(unit), "by": token, "beat": 0},
        )

    def _id(self, number: int) -> int:
        found: int = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return found

    def _tell(self, number: int, key: str, value: Any) -> None:
        self._storage.set_trial_user_attr(self._id(number), key, value)

    def _end(self, number: int, state: str, value: float | None = None) -> None:
        values = None if value is None else [value]
        with suppress(self._optuna.exceptions.UpdateFinishedTrialError):
            state = self._optuna.trial.TrialState[state]
            self._storage.set_trial_state_values(self._id(number), state, values)

    def _beat(self) -> None:
        count = 0
        while not self._over.wait(_BEAT):
            count += 1
            with self._lock:
                mine = list(self._mine.values())
            for number in mine:
                with suppress(Exception):  # it is finished, or the next beat may reach the storage
                    self._tell(number, "beat", count)


@contextmanager
def open_storage(
    url: str, name: str, contest: Contest, header: Mapping[str, Any], resume: bool, join: bool
) -> Iterator[Storage]:
    """The storage at a URL of SQLAlchemy's, with the study `name` of this comparison.

    Raises UserError where it cannot be reached, and where it holds what was not asked for.
    """
    with _reachable(url), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's parts that are new say so
        storage, study = _study(url, name, header, resume or join)
        ledger = Storage(storage, study, contest)
        try:
            if resume and not join:
                ledger.release_others()
            yield ledger
        finally:
            ledger.release()
            storage.remove_session()
            storage.engine.dispose()


def _study(url: str, name: str, header: Mapping[str, Any], may_be_there: bool) -> tuple[Any, Any]:
    """The storage and its study, made if need be: several processes may do so at once."""
    optuna = load_optuna()
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            storage = optuna.storages.RDBStorage(url)
            known = [one.study_name for one in storage.get_all_studies()]
            if name in known and not may_be_there:
                raise UserError(
                    f"the storage has this comparison already, {name!r}: --resume goes on with it "
                    "alone, --join together with others, another --name begins another"
                )
            study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
            begun = study.user_attrs.get("comparison")
            if begun is None:
                study.set_user_attr("comparison", json.dumps(header))
        except Exception as error:
            if type(error).__name__ not in _AT_ONCE or not attempts_left:
                raise
            time.sleep(_BEAT / 2)
        else:
            if begun is not None:
                check_same(f"the study {name!r}", json.loads(begun), header)
            return storage, study
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    """A storage that cannot be reached is said in a sentence, whenever it happens."""
    try:
        yield
    except ImportError as error:
        raise UserError(f"--storage {_shown(url)} needs the package {error.name}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("sqlalchemy", "alembic", "optuna"):
            raise
        text = " ".join(str(error).split("\n[SQL")[0].split("(Background")[0].split())
        raise UserError(f"--storage {_shown(url)} cannot be used: {text}") from error


def _shown(url: str) -> str:
    """A URL without the password in it."""
    begin, at, place = url.rpartition("@")
    scheme, _, user = begin.partition("://")
    return f"{scheme}://{user.partition(':')[0]}:***@{place}" if at else url
