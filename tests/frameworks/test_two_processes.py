"""On two processes a framework's training goes where it goes with torch."""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

from tests.frameworks.made import assert_close
from tests.house.modules import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.dist]


def trained(host, library, folder):
    if importlib.util.find_spec(host) is None:
        pytest.skip(f"{host} is not installed")
    path = folder / f"{library}.pt"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    command += ["-m", "tests.frameworks.two_processes", host, library, str(path)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(path)


@pytest.mark.parametrize("host", ["accelerate", "lightning"])
def test_two_processes_go_where_they_go_with_torch(tmp_path, host):
    assert_close(trained(host, "ours", tmp_path), trained(host, "torch", tmp_path))


def test_ranger_runs_on_two_processes(tmp_path):
    weights = trained("lightning", "ranger", tmp_path)
    assert bool(weights.isfinite().all())
