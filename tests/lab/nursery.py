"""Commands in processes of their own that need not import everything anew.

A command is mostly the imports of plotly, matplotlib and scikit-learn. So one process has them
imported, and each command is a child that is forked from it: a real process, with its own folder,
environment, streams and signals, that may be killed.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Ended", "run"]

MAIN = "from thalweg.lab import main; main()"

MOTHER = """
import importlib, json, os, signal, sys

for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ImportError:
        pass

def child(asked):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, by all that follow
    for stream, path in zip((0, 1, 2), (os.devnull, asked["out"], asked["err"])):
        place = os.open(path, os.O_RDONLY if stream == 0 else os.O_WRONLY)
        os.dup2(place, stream)
        os.close(place)
    coding = asked["env"].get("PYTHONIOENCODING", "utf-8").partition(":")
    how = {"encoding": coding[0], "errors": coding[2] or "strict", "closefd": False}
    sys.stdin, sys.stdout, sys.stderr = open(0, **how), open(1, "w", **how), open(2, "w", **how)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["-c", *asked["arguments"]]
    exec(compile(asked["code"], "<command>", "exec"), {"__name__": "__main__"})

lines = os.fdopen(os.dup(0), "rb", buffering=0)
answers = os.fdopen(os.dup(1), "wb", buffering=0)
while line := lines.readline():
    asked = json.loads(line)
    pid = os.fork()
    if not pid:
        lines.close(), answers.close()  # it may outlive us, and nobody is to wait for it
        child(asked)
        break
    status = os.waitpid(pid, 0)[1]
    answers.write(json.dumps(os.waitstatus_to_exitcode(status)).encode() + b"\\n")
"""

IMPORTED = (
    *("thalweg.lab.cli", "thalweg.lab.page", "thalweg.lab.picture", "thalweg.lab.backends.mytorch"),
    *("thalweg.lab.landscape.drawing", "thalweg.lab.landscape.page", "thalweg.mytorch.optim"),
    *("sklearn.datasets", "scipy.special", "threadpoolctl", "thalweg.lab.commands.lr_find"),
)
# what `--tune` and `--storage` import
OPTUNA = ("optuna", "optuna.storages._rdb.storage", "optuna.samplers", "optuna.pruners")


class Ended(NamedTuple):
    """How a command ended: its code, or minus the signal, and what it printed."""

    code: int
    out: str
    err: str


def run(
    arguments: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    code: str = MAIN,
    into: str | None = None,
) -> Ended:
    """Run `thalweg` with these arguments, or another program that finds them in `sys.argv`; what it
    prints goes `into` another place, if one is given."""
    with tempfile.TemporaryDirectory(prefix="thalweg-") as folder:
        streams = [Path(folder, name) for name in ("out", "err")]
        for stream in streams:
            stream.touch()
        asked = {"arguments": [*arguments], "cwd": str(cwd), "env": dict(env), "code": code}
        asked |= {"out": into or str(streams[0]), "err": str(streams[1])}
        mother = _mother("--tune" in arguments)
        assert mother.stdin is not None
        assert mother.stdout is not None
        mother.stdin.write(json.dumps(asked).encode() + b"\n")
        mother.stdin.flush()
        ended = json.loads(mother.stdout.readline())
        return Ended(ended, *(stream.read_text("utf-8") for stream in streams))


@lru_cache(maxsize=2)
def _mother(with_optuna: bool) -> subprocess.Popen[bytes]:
    imported = json.dumps([*IMPORTED, *(OPTUNA if with_optuna else ())])
    made = subprocess.Popen(
        [sys.executable, "-c", MOTHER, imported],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    atexit.register(_end, made)
    return made


def _end(mother: subprocess.Popen[bytes]) -> None:
    assert mother.stdin is not None
    assert mother.stdout is not None
    mother.stdin.close()
    mother.wait()
    mother.stdout.close()
