"""The weights to look at, of an optimizer whose states are on the host, are on the device."""

import pytest
import torch

import thalweg.optim as optim
from tests.optim.runs import numbers, reloaded
from tests.optim.test_offload import assert_same, both, network, train

LOOKED_AT = ["Ranger", "ScheduleFreeAdamW"]


@pytest.mark.parametrize("bucket_bytes", [1, 1 << 26])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_the_device_has_them_between_eval_and_train(name, bucket_bytes):
    mine, opt, plain, other = both(name, bucket_bytes=bucket_bytes)
    train(mine, opt, 9)
    train(plain, other, 9)
    own = [p.detach().clone() for p in mine.parameters()]
    opt.eval()
    other.eval()
    assert_same(mine, plain)
    assert not any(torch.equal(p, q) for p, q in zip(mine.parameters(), own, strict=True))
    opt.train()
    other.train()
    assert all(torch.equal(p, q) for p, q in zip(mine.parameters(), own, strict=True))
    train(mine, opt, 8, 9)
    train(plain, other, 8, 9)
    assert_same(mine, plain)


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_block_has_them_and_brings_the_others_back_whatever_happens(name):
    mine, opt, plain, other = both(name)
    train(mine, opt, 9)
    train(plain, other, 9)

    def look():
        with opt.evaluation(), other.evaluation():
            assert_same(mine, plain)
            return 1 / 0

    with pytest.raises(ZeroDivisionError):
        look()
    assert_same(mine, plain)


def test_a_step_in_between_is_refused():
    mine, opt, *_ = both("Ranger")
    train(mine, opt, 2)
    opt.eval()
    with pytest.raises(RuntimeError, match=r"step\(\) was called after eval\(\)"):
        train(mine, opt, 1)


def test_a_file_that_is_written_then_goes_on_as_if_it_had_not_been():
    mine, opt, plain, other = both("Ranger")
    train(mine, opt, 9)
    train(plain, other, 9)
    opt.eval()
    again = network()
    again.load_state_dict(mine.state_dict())
    loaded = optim.offload(again, optim.Ranger)
    loaded.load_state_dict(reloaded(opt.state_dict()))
    assert_same(again, mine)
    loaded.train()
    train(again, loaded, 8, 9)
    train(plain, other, 8, 9)
    assert_same(again, plain)


def test_a_rule_that_keeps_no_others_shows_those_that_it_steps():
    mine, opt, *_ = both("AdamW")
    train(mine, opt, 2)
    with torch.no_grad():
        mine[0].weight.copy_(numbers((5, 6), 3))
    opt.eval()
    assert torch.equal(mine[0].weight, numbers((5, 6), 3))
    opt.train()
    opt.train()
    assert torch.equal(mine[0].weight, numbers((5, 6), 3))


def test_master_weights_come_back_with_all_their_digits():
    made = [network(torch.bfloat16), network(torch.bfloat16)]
    opts = [optim.offload(m, optim.Ranger, lr=1e-3, master_weights=True) for m in made]
    for t in range(12):
        for model, opt in zip(made, opts, strict=True):
            train(model, opt, 1, t)
        opts[0].eval()
        opts[0].train()
    assert_same(*made)
