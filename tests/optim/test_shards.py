"""Parameters that processes share out, each way that they can be: moved as whole ones are."""

import functools

import pytest
from torch import distributed

from tests.optim.runs import OURS

if not distributed.is_available():
    pytest.skip("this torch has no distributed package", allow_module_level=True)

from tests.optim import shards
from tests.optim.ranks import Ranks
from thalweg.optimizers import OPTIMIZERS

pytestmark = [pytest.mark.dist, pytest.mark.slow]

EVERY = [*OURS, *shards.MATRIX_RULES]


in_blocks = functools.partial(shards.compared, steps=8, block_size=3)


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request):
    group = Ranks(request.param)
    yield group
    group.close()


def rows_are_cut(name: str, way: str) -> bool:
    """Whether a rule adds up along rows of which a process has not all."""
    made = OPTIMIZERS[name]
    return made.reduces_rows and not made.on_matrices and "columns" in way


@pytest.mark.parametrize("way", shards.WAYS)
@pytest.mark.parametrize("name", EVERY)
def test_shared_parameters_are_after_twenty_steps_where_whole_ones_are(ranks, name, way):
    for off, moved, in_parts in ranks.run(shards.compared, name, way):
        assert off <= 1e-12  # sums of all processes are added in another order
        assert moved > 1e-3
        assert in_parts == (0 if rows_are_cut(name, way) else len(shards.shapes_for(name)))


@pytest.mark.parametrize("way", shards.WAYS)
@pytest.mark.parametrize("name", ["Muon", "SOAP", "Shampoo"])
def test_blocks_of_shared_parameters_are_those_of_whole_ones(ranks, name, way):
    for off, moved, _ in ranks.run(in_blocks, name, way):
        assert off <= 1e-12
        assert moved > 1e-3


@pytest.mark.parametrize("way", shards.WAYS)
@pytest.mark.parametrize("name", ["SAM", "Sophia"])
def test_rules_that_ask_for_another_gradient_ask_for_it_of_all_parts(ranks, name, way):
    for off in ranks.run(shards.asked, name, way):
        assert off <= 1e-12


@pytest.mark.parametrize("kind", ["gradient summed up later", "gradient shared otherwise"])
def test_a_gradient_that_lies_otherwise_is_brought_to_its_parameter(ranks, kind):
    for off in ranks.run(shards.otherwise, kind):
        assert off <= 1e-12


def test_shared_and_whole_parameters_in_one_optimizer_have_one_norm(ranks):
    for off in ranks.run(shards.mixed):
        assert off <= 1e-12


def test_a_part_with_gaps_in_memory_is_stepped(ranks):
    for off in ranks.run(shards.gapped):
        assert off <= 1e-12


@pytest.mark.parametrize("name", ["AdamW", "Lion", "Ranger", "SGD"])
def test_a_step_of_parts_like_the_last_is_a_prepared_one(ranks, name):
    for off, taken in ranks.run(shards.prepared, name, "copies"):
        assert off <= 1e-12
        assert taken > 10


def test_the_version_of_a_shared_parameter_tells_autograd_that_it_moved(ranks):
    for before, after in ranks.run(shards.versions):
        assert all(a > b for a, b in zip(after, before, strict=True))


def test_a_part_that_is_exchanged_between_steps_is_looked_at_anew(ranks):
    for off in ranks.run(shards.exchanged):
        assert off <= 1e-12


@pytest.mark.parametrize("name", ["AdamW", "CAME", "LAMB", "Muon", "Prodigy", "Ranger", "SOAP"])
def test_what_fsdp_has_offloaded_to_the_cpu_takes_the_fused_pass(ranks, name):
    for off, gradient, in_parts in ranks.run(shards.offloaded, name):
        assert off <= 1e-12
        assert gradient > 0
        assert in_parts == (2 if name == "Muon" else 4)
