"""What is shipped and what is said about it: the wheel, the commands, the examples."""

import re
import subprocess
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import thalweg

ROOT = Path(__file__).parents[2]
GUIDES = ["README.md", "CONTRIBUTING.md", ".ci/run"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(text: str) -> str:
    """The indented lines and the fenced blocks of a page, and the code spans in its sentences."""
    indented = re.findall(r"^ {4}.*", text, re.M)
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    spans = re.findall(r"`([^`\n]+)`", text)
    return "\n".join([*indented, *fenced, *spans])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that `pip install` would build, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_ships_the_package_and_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"thalweg", f"thalweg-{thalweg.__version__}.dist-info"}


def test_wheel_ships_every_source_file(wheel):
    kinds = {".py", ".pyi", ".typed"}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "thalweg").rglob("*")
        if path.suffix in kinds
    }
    assert {"thalweg/py.typed", "thalweg/optim/__init__.pyi"} <= sources
    assert sources <= set(wheel.namelist())


def test_wheel_carries_the_version_the_licence_and_the_command(wheel):
    info = f"thalweg-{thalweg.__version__}.dist-info"
    metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["Version"] == thalweg.__version__
    assert metadata["License-Expression"] == "MIT"
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "thalweg = thalweg.lab:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_core_needs_neither_torch_nor_the_lab(wheel):
    metadata = message_from_bytes(wheel.read(f"thalweg-{thalweg.__version__}.dist-info/METADATA"))
    core = [need for need in metadata.get_all("Requires-Dist") if "extra ==" not in need]
    assert sorted(re.match(r"[\w.-]+", need)[0] for need in core) == ["numba", "numpy"]


def test_constraints_are_exact_and_name_no_place():
    lines = read("constraints.txt").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\d.]+", pin)] == []


@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_a_guide_names_exist(guide):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    said = code_of(read(guide)) if guide.endswith(".md") else read(guide)
    named = set(re.findall(r"^\s*make ([a-z]+)", said, re.M))
    assert named, f"{guide} names no command: the test would hold nothing"
    assert named <= targets


def test_the_examples_of_the_readme_run():
    pytest.importorskip("torch")
    blocks = re.findall(r"^```python\n(.*?)^```", read("README.md"), re.M | re.S)
    assert blocks
    # As a reader would: one after another, each going on from the one before.
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


def test_no_file_names_a_place_on_one_machine():
    # The alternatives are in brackets, so that this line does not find itself.
    place = re.compile(r"(?<![\w.~)}$/-])/(?:work|root|home)/")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if place.search(line)
        ]
    assert found == []
