"""Each example in examples/frameworks/ trains."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from tests.house.modules import ROOT

pytestmark = pytest.mark.slow
FOLDER = ROOT / "examples" / "frameworks"
# what each prints last, and the least that it must be
LEAST = {
    "accelerate": (r"accuracy ([\d.]+)$", 0.85),
    "lightning": (r"accuracy ([\d.]+)$", 0.85),
    "skorch": (r"accuracy ([\d.]+) with", 0.85),
    "stable_baselines3": (r"mean reward ([\d.]+)$", 20),
    "transformers": (r"accuracy ([\d.]+)$", 0.85),
}
FILES = {"transformers": "with_trainer.py"}


def test_every_example_is_tried():
    tried = {FILES.get(host, f"with_{host}.py") for host in LEAST}
    there = {path.name for path in FOLDER.glob("*.py")}
    assert tried | {"with_timm.py"} == there  # which wants a torchvision


@pytest.mark.parametrize("host", LEAST)
def test_an_example_ends_with_what_it_should(tmp_path, host):
    if importlib.util.find_spec(host) is None:
        pytest.skip(f"{host} is not installed")
    path = FOLDER / FILES.get(host, f"with_{host}.py")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", path],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    pattern, least = LEAST[host]
    assert float(re.findall(pattern, done.stdout, re.M)[-1]) >= least
