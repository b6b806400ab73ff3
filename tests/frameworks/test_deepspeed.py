"""Inside DeepSpeed, whose ZeRO makes flat partitions of the parameters and may step them itself.

On two real processes, for stages 2 and 3 with an offloaded optimizer.
"""

import os
import subprocess
import sys

import pytest
import torch
from filelock import FileLock

import thalweg.optim as optim
from tests.frameworks import zero
from tests.frameworks.made import assert_close, flat, loss_of, network
from tests.house.modules import ROOT

pytest.importorskip("deepspeed", reason="deepspeed is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.dist]


@pytest.fixture(scope="module", params=[2, 3], ids=["stage 2", "stage 3"])
def found(request, tmp_path_factory):
    """What each of two processes found; run once for all workers of pytest."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"zero{request.param}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "done").exists():
            run(request.param, folder)
            (folder / "done").touch()
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def run(stage, folder):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    command += ["-m", "tests.frameworks.zero", str(stage), "offloaded", str(folder)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def whole(name):
    """The weights after the same training on whole parameters, in one process."""
    net = network()
    opt = getattr(optim, name)(net.parameters(), **zero.SETTINGS[name])
    for t in range(zero.STEPS):
        opt.zero_grad()
        inputs, labels = zero.batch_of(t, 0, 1)
        loss_of(net(inputs), labels).backward()
        opt.step()
    return flat(net)


@pytest.mark.parametrize("name", zero.SETTINGS)
def test_partitions_of_the_parameters_go_where_whole_ones_go(found, name):
    for of_rank in found:
        assert_close(of_rank[name], whole(name))


@pytest.mark.parametrize("name", zero.TWINS)
def test_they_go_where_they_go_with_torch(found, name):
    for of_rank in found:
        assert_close(of_rank[name], of_rank[name, "torch"])


@pytest.mark.parametrize("name", zero.SETTINGS)
def test_a_run_from_a_checkpoint_goes_on_as_if_never_stopped(found, name):
    for of_rank in found:
        assert torch.equal(of_rank[name], of_rank[name, "gone on"])


@pytest.mark.parametrize("name", zero.REFUSED)
def test_a_rule_that_asks_for_more_than_elements_refuses_a_partition(found, name):
    for of_rank in found:
        assert of_rank[name, "told"].startswith(
            f"{name}: its parameters have been replaced by flat ones, as DeepSpeed's ZeRO does"
        )
