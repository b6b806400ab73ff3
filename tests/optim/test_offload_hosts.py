"""The patterns in which other hosts call an optimizer that they have moved to the CPU.

torchao's CPUOffloadOptimizer refuses a CPU, and DeepSpeed itself is tried with the frameworks: what
is tried here is how they call, rebuilt from their documentation, with the CPU for the device.
"""

import pytest
import torch

import thalweg.optim as optim
from tests.optim.runs import OURS, numbers
from tests.optim.test_offload import SETTINGS, assert_same, backward, network
from thalweg.optimizers import OPTIMIZERS

FLAT = [name for name in OURS if not OPTIMIZERS[name].is_asking and name != "Ranger"]
BY_TENSOR = ["LAMB", "LARS", "CautiousAdamW", "NovoGrad", "StableAdamW", "Ranger", "Muon", "SOAP"]


def one_for_each(cls, model, **settings):
    """As torchao has it: of each parameter a copy with an optimizer of its own."""
    made = {}
    for p in model.parameters():
        host = torch.empty_like(p).copy_(p.detach()).detach()
        host.grad = torch.empty_like(host)
        made[p] = host, cls([{"params": host}], **settings)
    return made


# those that ask all tensors for one number are others, taken one by one
ALONE = [n for n in SETTINGS if n in OPTIMIZERS and not OPTIMIZERS[n].asked_of_all]


@pytest.mark.parametrize("name", ALONE)
def test_one_optimizer_for_each_parameter_is_one_for_all(name):
    mine, plain = network(), network()
    made = one_for_each(getattr(optim, name), mine, **SETTINGS[name])
    other = getattr(optim, name)(plain, **SETTINGS[name])
    for t in range(5):
        mine.zero_grad()
        plain.zero_grad()
        backward(mine, t)
        backward(plain, t)
        with torch.no_grad():
            for p, (host, opt) in made.items():
                host.grad.copy_(p.grad)
                opt.step()
                p.copy_(host)
        other.step()
    assert_same(mine, plain)


def flattened(opt):
    """As ZeRO does: each group's parameters in one flat tensor, in single precision."""
    for group in opt.param_groups:
        flat = torch.cat([p.detach().reshape(-1).float() for p in group["params"]])
        group["params"] = [flat.requires_grad_()]


@pytest.mark.parametrize("name", FLAT)
def test_a_flat_partition_moves_as_its_parameters_do(name):
    cls = getattr(optim, name)
    mine, plain = network(torch.float32), network(torch.float32)
    opt, other = cls(mine.parameters(), **SETTINGS[name]), cls(plain, **SETTINGS[name])
    if OPTIMIZERS[name].starts_at_construction:
        opt.state.clear()  # as DeepSpeed does for Adagrad, which it makes anew
    flattened(opt)
    (flat,) = opt.param_groups[0]["params"]
    for t in range(5):
        grads = [numbers(p.shape, 100 * t + i).float() for i, p in enumerate(plain.parameters())]
        flat.grad = torch.cat([g.reshape(-1) for g in grads])
        for p, g in zip(plain.parameters(), grads, strict=True):
            p.grad = g
        opt.step()
        other.step()
    want = torch.cat([p.detach().reshape(-1) for p in plain.parameters()])
    # a loop's last elements are rounded otherwise than its vectors, where a word is written out
    torch.testing.assert_close(flat.detach(), want, rtol=5e-7, atol=1e-7)


@pytest.mark.parametrize("name", BY_TENSOR)
def test_a_rule_of_whole_tensors_refuses_a_flat_partition(name):
    opt = getattr(optim, name)(network().parameters())
    flattened(opt)
    (flat,) = opt.param_groups[0]["params"]
    flat.grad = torch.ones_like(flat)
    before = flat.detach().clone()
    with pytest.raises(RuntimeError, match=f"{name}: its parameters have been replaced by flat"):
        opt.step()
    assert torch.equal(flat, before)


def test_a_model_of_vectors_is_no_flat_partition():
    p = torch.nn.Parameter(numbers((5,), 0))
    opt = optim.LAMB([p])
    p.grad = numbers((5,), 1)
    opt.step()
    assert not torch.equal(p, numbers((5,), 0))
