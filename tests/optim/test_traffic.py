"""A step on shared parameters says how many bytes it exchanges, and exchanges few times."""

import pytest
import torch
from torch import distributed

if not distributed.is_available():
    pytest.skip("this torch has no distributed package", allow_module_level=True)

import thalweg.optim as optim
from tests.optim import exchanged, shards
from tests.optim.ranks import Ranks

pytestmark = [pytest.mark.dist, pytest.mark.slow]

NOTHING = ("AdamW", "Lion", "RAdam", "SGD")
SUMS = ("LAMB", "NovoGrad", "Prodigy", "StableAdamW")
MATRICES = ("Muon", "SOAP", "Shampoo")


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request):
    group = Ranks(request.param)
    yield group
    group.close()


@pytest.mark.parametrize("way", shards.WAYS)
@pytest.mark.parametrize("name", [*NOTHING, *SUMS, *MATRICES, "CAME", "AdamMini"])
def test_the_bytes_are_those_that_the_collectives_were_given(ranks, name, way):
    for found in ranks.run(exchanged.counted, name, way):
        collectives, sent, received, unseen = found["moved"]
        assert (collectives, sent, received) == found["calls"]
        # a stack of matrices is gathered by torch's own operators
        assert unseen == (sum(len(s) > 2 for s in shards.shapes_for(name)) if name == "CAME" else 0)
        assert found["torch"] == collectives or unseen
        assert bool(collectives) == (name not in NOTHING and way != "copies")


@pytest.mark.parametrize("name", MATRICES)
def test_all_matrices_of_a_step_come_in_one_exchange_for_each_axis(ranks, name):
    one = [f["moved"][0] for f in ranks.run(exchanged.counted, name, "rows")]
    two = [f["moved"][0] for f in ranks.run(exchanged.counted, name, "rows and columns")]
    assert len(shards.shapes_for(name)) > 2
    lines = 1 if name == "Muon" else 2  # works on matrices with a pass in between
    assert max(one) <= lines
    assert max(two) <= 2 * lines


def test_a_step_on_plain_tensors_exchanges_nothing():
    p = torch.nn.Parameter(torch.ones(2, 2))
    opt = optim.LAMB([p])
    p.grad = torch.ones(2, 2)
    with optim.traffic() as outer, optim.traffic() as moved:
        opt.step()
    assert moved == outer
    assert (moved.collectives, moved.sent, moved.received, moved.unseen) == (0, 0, 0, 0)
