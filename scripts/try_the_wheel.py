"""Builds the sdist and the wheel, and runs the quick tests on the wheel, away from the checkout.

python scripts/try_the_wheel.py              with this Python, torch and all
python scripts/try_the_wheel.py 3.10 3.13    with these, without torch
python scripts/try_the_wheel.py others       with every other Python of the metadata, without torch

What is tested lies in an environment of its own and comes from the wheel; the tests, and what they
read, come from the sdist, less the package, so that nothing of the checkout is found. A Python that
is not on this machine is named and passed over.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUICK = "not slow and not dist"
# What the tests of the house look at is the checkout.
PYTEST = ("-m", "pytest", "-n", "auto", "--dist", "worksteal", "-q", "-m", QUICK)
PYTEST += ("--cases=4", "-p", "no:cacheprovider", "--ignore=tests/house")

# The versions in constraints.txt want at least this one.
PINNED = (3, 11)


def versions() -> list[str]:
    """The Pythons that the metadata names."""
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', _read("pyproject.toml"))


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def find(version: str) -> str | None:
    """An interpreter of a version: on the path, or among those of pyenv."""
    for candidate in _candidates(version):
        asked = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        said = subprocess.run(asked, capture_output=True, text=True)
        if (said.returncode, said.stdout.strip()) == (0, version):
            return candidate
    return None


def _candidates(version: str) -> Iterator[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist and the wheel."""
    run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def unpack(sdist: Path, folder: Path) -> Path:
    """What the sdist holds beside the package."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (place,) = folder.iterdir()
    shutil.rmtree(place / "thalweg")
    return place


def install(interpreter: str, wheel: Path, extras: str, folder: Path) -> str:
    """An environment with the wheel and what the tests need; the path of its Python."""
    run([interpreter, "-m", "venv", str(folder)])
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    pins = ["--constraint", str(ROOT / "constraints.txt")]
    run([*pip, *pins, "--upgrade", "pip"])  # an old one knows no dependency groups
    asked = [python, "-c", f"import sys; sys.exit(sys.version_info < {PINNED})"]
    group = ["--group", f"{ROOT / 'pyproject.toml'}:test"]
    suits = not subprocess.run(asked).returncode
    run([*pip, *(pins if suits else []), f"{wheel}[{extras}]", *group])
    return python


def run(command: Sequence[str], cwd: Path | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=cwd, env=environment, check=True)


IS_INSTALLED = """
import importlib.util, pathlib, sys, thalweg
place = pathlib.Path(thalweg.__file__)
assert pathlib.Path(sys.prefix) in place.parents, f"thalweg comes from {place}, not from the wheel"
has_torch = importlib.util.find_spec("torch") is not None
assert has_torch == (sys.argv[1] == "all"), "torch is there" if has_torch else "torch is not there"
"""


def try_with(interpreter: str, extras: str, sdist: Path, wheel: Path) -> None:
    """Install the wheel for one interpreter and run the quick tests on it."""
    with tempfile.TemporaryDirectory(prefix="thalweg-wheel-") as name:
        folder = Path(name).resolve()
        tests = unpack(sdist, folder / "tests")
        python = install(interpreter, wheel, extras, folder / "venv")
        run([python, "-c", IS_INSTALLED, extras], cwd=tests)
        run([python, *PYTEST], cwd=tests)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if list(arguments) == ["others"]:
        arguments = [version for version in versions() if version != here]
    wanted = [(version, find(version), "lab") for version in arguments]
    with tempfile.TemporaryDirectory(prefix="thalweg-dist-") as name:
        sdist, wheel = build(Path(name))
        tried = []
        for version, interpreter, extras in wanted or [(here, sys.executable, "all")]:
            if interpreter is None:
                print(f"Python {version} is not here: not tried", flush=True)
                continue
            words = "with torch" if extras == "all" else "without torch"
            print(f"{wheel.name}[{extras}], Python {version}, {words}", flush=True)
            try:
                try_with(interpreter, extras, sdist, wheel)
            except subprocess.CalledProcessError as error:
                print(f"Python {version}: {error}", file=sys.stderr)
                return 1
            tried.append(version)
    print(f"the wheel passed with Python {', '.join(tried) or 'none: nothing was tried'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
