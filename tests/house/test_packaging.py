"""What is shipped and what is said about it: the wheel, the commands, the examples."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import thalweg
from scripts.readme_of_the_wheel import without_links
from scripts.try_the_wheel import find, unpack, versions

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


@pytest.fixture(scope="module")
def about(wheel) -> Message:
    """What the wheel says of itself."""
    return message_from_bytes(wheel.read(f"thalweg-{thalweg.__version__}.dist-info/METADATA"))


def test_wheel_ships_the_package_and_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"thalweg", f"thalweg-{thalweg.__version__}.dist-info"}


def test_wheel_ships_every_source_file(wheel):
    kinds = {".py", ".pyi", ".typed", ".js", ".css", ".html"}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "thalweg").rglob("*")
        if path.suffix in kinds
    }
    assert {"thalweg/py.typed", "thalweg/optim/__init__.pyi"} <= sources
    assert sources <= set(wheel.namelist())


def test_wheel_carries_the_version_the_licence_and_the_command(wheel, about):
    info = f"thalweg-{thalweg.__version__}.dist-info"
    assert about["Version"] == thalweg.__version__
    assert about["License-Expression"] == "MIT"
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "thalweg = thalweg.lab:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_core_needs_neither_torch_nor_the_lab(about):
    core = [need for need in about.get_all("Requires-Dist") if "extra ==" not in need]
    assert sorted(re.match(r"[\w.-]+", need)[0] for need in core) == ["llvmlite", "numpy"]


def test_no_link_of_the_wheels_description_leads_into_a_checkout(about):
    said = about.get_payload(decode=True).decode()
    assert said.startswith("# thalweg\n")
    assert "docs/measured.md has that" in said
    assert re.findall(r"\]\((?!https?://).*?\)", said) == []


def test_a_relative_link_is_said_in_words_and_another_is_left():
    text = "[docs/a.md](docs/a.md), [the letters](docs/b.md), [MIT](https://example.org/mit)"
    assert without_links(text) == (
        "docs/a.md, the letters (docs/b.md), [MIT](https://example.org/mit)"
    )


def test_the_metadata_names_the_pythons_that_the_checks_are_made_for(about):
    assert about["Requires-Python"] == f">={versions()[0]}"
    oldest = versions()[0].replace(".", "")
    assert f'target-version = "py{oldest}"' in read("pyproject.toml")
    assert f'python_version = "{versions()[0]}"' in read("pyproject.toml")
    assert f"make versions ARGS={versions()[0]}" in read(".ci/run")
    assert f"{versions()[0]} to {versions()[-1]} are tried" in read("README.md")


def test_the_sdist_holds_what_the_tests_read_and_lets_them_find_no_package(tmp_path):
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert sources <= names
    assert {"README.md", "pyproject.toml", "docs/parity.md", "examples/resume.py"} <= names
    place = unpack(Path(path), tmp_path / "empty")
    assert not (place / "thalweg").exists()
    assert (place / "tests" / "conftest.py").exists()


def test_an_interpreter_is_found_by_what_it_says_it_is(tmp_path, monkeypatch):
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find(here) is None
    (tmp_path / "python3.99").symlink_to(sys.executable)
    assert find("3.99") is None
    (tmp_path / f"python{here}").symlink_to(sys.executable)
    assert find(here) == str(tmp_path / f"python{here}")


def test_constraints_are_exact_and_name_no_place():
    lines = read("constraints.txt").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\d.]+", pin)] == []


def test_every_pin_is_needed_and_whatever_is_needed_has_one():
    try:
        metadata.version("pre-commit")
    except metadata.PackageNotFoundError:
        pytest.skip("what the group dev asks for is not installed here")
    ours, *others = read("constraints.txt").split("# Of the ")  # environments of their own
    lines = re.findall(r"^([\w.-]+)==", ours, re.M)
    assert any("jax==" in one for one in others)  # tests/fuse/jax/test_pins.py
    assert any("triton==" in one for one in others)  # tests/fuse/gpu/test_pins.py
    assert any("lightning==" in one for one in others)  # tests/frameworks/test_pins.py
    assert any("prodigyopt==" in one for one in others)  # tests/peers/test_pins.py
    assert any("mkdocs==" in one for one in others)  # tests/book/test_pins.py
    tools = re.search(r"\[dependency-groups\]\n(.*?)\n\n\[", read("pyproject.toml"), re.S)[1]
    tools = re.sub(r"^(frameworks|docs|peers) = \[.*?^\]", "", tools, flags=re.S | re.M)
    asked = re.findall(r"^[^#\n]*?\"([\w.-]+(?:\[\w+\])?)>=", tools.replace(", ", ",\n"), re.M)
    found = closure(["pip", "thalweg[all]", *asked]) - {"thalweg"}
    assert {"pytest-xdist", "ruff", "pre-commit", "torch"} <= found
    assert {canonicalize_name(line) for line in lines} == found


def closure(wanted: list[str]) -> set[str]:
    """Packages and all that they need here, by the metadata of what is installed."""
    found: set[str] = set()
    seen: set[str] = set()
    while wanted:
        need = Requirement(wanted.pop())
        if str(need) in seen:
            continue
        seen.add(str(need))
        found.add(canonicalize_name(need.name))
        for line in metadata.requires(need.name) or []:
            further = Requirement(line)
            extras = need.extras or {""}
            if not further.marker or any(further.marker.evaluate({"extra": e}) for e in extras):
                further.marker = None
                wanted.append(str(further))
    return found


@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_a_guide_names_exist(guide):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    said = code_of(read(guide)) if guide.endswith(".md") else read(guide)
    named = set(re.findall(r"^\s*make ([a-z]+)", said, re.M))
    assert named, f"{guide} names no command: the test would hold nothing"
    assert named <= targets


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
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, IsADirectoryError, FileNotFoundError):
            continue  # no text, a link to a folder, or gone since it was listed
        found += [
            f"{name}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if place.search(line)
        ]
    assert found == []
