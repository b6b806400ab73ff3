"""Runs on shared parameters, saved on 2 processes, go on anywhere as if never stopped."""

import pytest
import torch
from torch import distributed

from tests.optim.runs import OURS

if not distributed.is_available():
    pytest.skip("this torch has no distributed package", allow_module_level=True)

from tests.optim import saved_shards, shards
from tests.optim.ranks import Ranks

pytestmark = [pytest.mark.dist, pytest.mark.slow]

EVERY = [*OURS, *shards.MATRIX_RULES, "Adafactor"]
ALONE = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")


@pytest.fixture(scope="module")
def two():
    group = Ranks(2)
    yield group
    group.close()


@pytest.fixture(scope="module")
def four():
    group = Ranks(4)
    yield group
    group.close()


def assert_goes_on(want, have):
    for a, b in zip(want, have, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)  # sums are added in another order


@pytest.mark.parametrize("name", EVERY)
def test_a_run_saved_on_two_processes_goes_on_on_four(two, four, name, tmp_path):
    want = two.run(saved_shards.saved, name, str(tmp_path))[0]
    for have in four.run(saved_shards.resumed, name, str(tmp_path)):
        assert_goes_on(want, have)


@ALONE
@pytest.mark.parametrize("name", EVERY)
def test_a_run_saved_on_two_processes_goes_on_on_one(two, name, tmp_path):
    want = two.run(saved_shards.saved, name, str(tmp_path))[0]
    assert_goes_on(want, saved_shards.resumed(name, str(tmp_path), False))


@ALONE
@pytest.mark.parametrize("name", EVERY)
def test_a_run_saved_on_one_process_goes_on_on_four(four, name, tmp_path):
    want = saved_shards.saved(name, str(tmp_path), False)
    for have in four.run(saved_shards.resumed, name, str(tmp_path)):
        assert_goes_on(want, have)


def test_what_torchs_adamw_saved_ours_goes_on_with(two, four, tmp_path):
    want = two.run(saved_shards.saved, "torch's AdamW", str(tmp_path))[0]
    for have in four.run(saved_shards.resumed, "AdamW", str(tmp_path), True, True):
        assert_goes_on(want, have)


def test_a_whole_state_dict_is_shared_out_where_it_is_loaded(two, tmp_path):
    for off in two.run(saved_shards.loaded_whole):
        assert off <= 1e-12


def test_states_of_another_mesh_are_refused(two):
    for said in two.run(saved_shards.loaded_of_another_mesh):
        assert said.startswith("AdamW: the state 'exp_avg' must be shared out over the mesh")
        assert "torch.distributed.checkpoint" in said


def test_without_its_group_a_step_that_needs_sums_is_refused():
    group = Ranks(2)
    try:
        for said in group.run(saved_shards.stepped_without_group):
            assert "process group" in said
    finally:
        group.close()
