"""Several processes share the work through a database, and find what one finds alone."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.lab.conftest import COMMAND, environment, run_thalweg
from tests.lab.test_resume import KILLED, shown, stored
from thalweg.lab.contest import Budget, Contest, Unit
from thalweg.lab.contestants import enter
from thalweg.lab.errors import UserError
from thalweg.lab.tasks.builtin import open_task

pytest.importorskip("optuna")
from thalweg.lab import storage

SHARED = (
    *("sgd(momentum=0.5..0.95)", "adam", "--lr", "adam=0.003", "--tune", "8", "--seeds", "3"),
    *("--epochs", "1", "--batch-size", "100"),
)


def programs() -> Path | None:
    """Where PostgreSQL's programs are: Debian keeps the server's off the path."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@pytest.fixture(scope="module")
def postgresql():
    """The URL of a PostgreSQL that is there for these tests alone, in a folder of its own."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    place = programs()
    if place is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="thalweg"))  # short, as the name of a socket must be
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    run = {"user": user, "cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    data, log = str(folder / "data"), str(folder / "log")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([place / "initdb", "-D", data, "-A", "trust", "-U", "thalweg"], **run)
    control = [place / "pg_ctl", "-D", data, "-l", log, "-w"]
    subprocess.run([*control, "-o", options, "start"], **run)
    try:
        yield f"postgresql+psycopg://thalweg@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **run)
        shutil.rmtree(folder)


@pytest.mark.slow
def test_three_processes_of_which_one_is_killed_find_what_one_finds(tmp_path, postgresql):
    alone = run_thalweg("compare", *SHARED, "--out", "alone", cwd=tmp_path)
    assert (alone.code, alone.stderr) == (0, "")
    arguments = ["compare", *SHARED, "--storage", postgresql, "--join", "--out"]
    where = {"cwd": tmp_path, "env": environment(), "stdout": subprocess.DEVNULL}
    dying = [sys.executable, "-c", KILLED, "0.2"]
    running = [
        subprocess.Popen([*program, *arguments, name], **where)
        for name, program in (("one", COMMAND), ("two", dying), ("three", COMMAND))
    ]
    one, two, three = (process.wait() for process in running)
    assert (one, three) == (0, 0)
    assert two in (-signal.SIGKILL, 0)
    assert stored(postgresql) == stored(f"sqlite:///{tmp_path}/alone/trials.db")
    for name in ("one", "three"):
        assert shown(tmp_path / name) == shown(tmp_path / "alone")


# The storage itself, on SQLite.

LEFT, RIGHT = Unit("Adam", "trial", 0), Unit("Adam", "trial", 1)


def opened(path, resume=False, join=True, header=None):
    contest = Contest(enter(["adam"], []), Budget(trials=6), open_task())
    url = f"sqlite:///{path}/shared.db"
    return storage.open_storage(url, "a study", contest, header or {"a": 1}, resume, join)


def test_a_training_is_one_processs_and_after_it_is_done_nobodys(tmp_path):
    from tests.lab.made import outcome
    from thalweg.lab.ledger import Record

    with opened(tmp_path) as one, opened(tmp_path) as other:
        assert one.claim(LEFT)
        assert not other.claim(LEFT)
        assert other.claim(RIGHT)
        record = Record(LEFT, outcome())
        one.record(record)
        assert not other.claim(LEFT)
        assert other.news() == [record]
        assert other.news() == []


def test_what_is_given_back_may_be_taken(tmp_path):
    with opened(tmp_path) as other:
        with opened(tmp_path) as one:
            assert one.claim(LEFT)
            assert not other.claim(LEFT)
        assert other.claim(LEFT)


def test_what_a_dead_process_had_is_taken_and_what_a_living_one_has_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_PATIENCE", 0.0)
    with opened(tmp_path) as one, opened(tmp_path) as other:
        assert one.claim(LEFT)
        other.news()
        one._over.set()  # its heart stands still, as that of a process that was killed
        one._heart.join()
        other.claim(LEFT)  # sees it for the first time
        assert other.claim(LEFT)
        one._mine.clear()


def test_resume_alone_takes_what_was_begun_at_once(tmp_path):
    with opened(tmp_path) as one:
        assert one.claim(LEFT)
        with opened(tmp_path, resume=True, join=False) as other:
            assert other.claim(LEFT)


def test_where_the_search_was_closed_is_told_to_all(tmp_path):
    from thalweg.lab.ledger import Record

    with opened(tmp_path) as one, opened(tmp_path) as other:
        one.record(Record(None, None, 3))
        assert other.news() == [Record(None, None, 3)]


def refused(*arguments, **named) -> str:
    with pytest.raises(UserError) as found, opened(*arguments, **named):
        pass
    return str(found.value)


def test_a_comparison_that_is_there_is_not_begun_again(tmp_path):
    with opened(tmp_path):
        pass
    said = refused(tmp_path, join=False)
    assert said.startswith("the storage has this comparison already, 'a study': --resume goes on")


def test_another_comparison_under_the_same_name_is_refused(tmp_path):
    with opened(tmp_path):
        pass
    said = refused(tmp_path, header={"a": 2})
    assert said.startswith("the study 'a study' holds another comparison: its a is 1, and here")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "--storage nonsense cannot be used: "),
        ("sqlite:////no/such/folder/x.db", "--storage sqlite:////no/such/folder/x.db cannot be"),
        ("nosuch://x", "--storage nosuch://x cannot be used: "),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", "--storage postgresql+psycopg://me:***@"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_said(url, said):
    contest = Contest(enter(["adam"], []), Budget(trials=6), open_task())
    with pytest.raises(UserError) as found:
        storage.open_storage(url, "a", contest, {}, False, False).__enter__()
    assert str(found.value).startswith(said)
    assert "secret" not in str(found.value)
