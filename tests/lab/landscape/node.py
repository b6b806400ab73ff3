"""JavaScript of the page, run in Node."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import thalweg.lab.landscape.page as page

HERE = Path(page.__file__).parent

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")


def in_node(*lines: str):
    """What the last of these lines gives, as plain values; NaN and the like are text."""
    *before, last = lines
    spell = "JSON.stringify(value, (k, v) => v === Infinity || Number.isNaN(v) ? String(v) : v)"
    program = "\n".join(
        ["'use strict';", *before, f"const value = {last};", f"console.log({spell})"]
    )
    done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def script(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
