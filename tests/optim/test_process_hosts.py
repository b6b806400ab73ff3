"""ZeRO's partitions, the first FSDP, and a process that dies while others wait for it."""

import signal

import pytest
import torch
from torch import distributed

if not distributed.is_available():
    pytest.skip("this torch has no distributed package", allow_module_level=True)

from tests.optim import process_hosts as hosts
from tests.optim.ranks import PRELOADED, Ranks

pytestmark = [
    pytest.mark.dist,
    pytest.mark.slow,
]
WAIT = 20.0  # seconds, the time-out of a group of which one dies


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request):
    group = Ranks(request.param)
    yield group
    group.close()


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Muon", "Ranger", "SGD", "SOAP"])
def test_a_partition_of_the_states_is_stepped_as_all_of_them_are(ranks, name):
    found = ranks.run(hosts.partitioned, name)
    for off, moved, _ in found:
        assert off <= 1e-12
        assert moved > 1e-3
    of_all = 2 if name == "Muon" else 4
    assert sum(held for _, _, held in found) == (0 if name == "SGD" else of_all)


@pytest.mark.parametrize("keeps_names", [False, True])
@pytest.mark.parametrize("name", ["AdamW", "Lion", "RAdam", "SGD"])
def test_flat_parts_of_the_first_fsdp_move_as_whole_parameters_do(ranks, name, keeps_names):
    for off, moved, gone_on in ranks.run(hosts.flattened, name, keeps_names):
        assert off <= 1e-12
        assert moved > 1e-3
        # with names kept, what torch gathers of states is wrong, its own classes' too
        assert keeps_names or gone_on <= 1e-12


@pytest.mark.parametrize("keeps_names", [False, True])
@pytest.mark.parametrize("name", ["CautiousAdamW", "LAMB", "Prodigy", "Ranger", "SOAP"])
def test_a_rule_that_asks_for_more_than_elements_refuses_flat_parts(ranks, name, keeps_names):
    for told, is_as_before in ranks.run(hosts.refused, name, keeps_names):
        assert told.startswith(f"{name}: its parameters are flat parts of FullyShardedDataPar")
        assert is_as_before


@pytest.mark.parametrize("name", ["LAMB", "Muon", "Prodigy"])
def test_who_waits_for_a_process_that_died_is_told_and_has_moved_nothing(tmp_path, name):
    context = torch.multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    both = [
        context.Process(target=hosts.left_alone, args=(rank, str(tmp_path), name, WAIT))
        for rank in range(2)
    ]
    for process in both:
        process.start()
    try:
        for process in both:
            process.join(6 * WAIT)
        assert [process.exitcode for process in both] == [0, -signal.SIGKILL]
    finally:
        for process in both:
            process.kill()
    told, is_as_before = torch.load(tmp_path / "told")
    assert told
    assert is_as_before
