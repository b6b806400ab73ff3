"""accelerate prepares an optimizer of ours as torch's, accumulates, clips, saves and loads."""

import pytest
import torch

import thalweg.optim as optim
from tests.frameworks.made import (
    LOOKED_AT,
    TWINS,
    assert_close,
    flat,
    loader,
    loss_of,
    network,
    of_ours,
    of_torch,
)

accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def trained(make, settings, save=None, load=None, epochs=4):
    """The weights after a training; `save` writes a checkpoint after two epochs, `load` begins
    there."""
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    net = network()
    opt = make(net.parameters(), **settings)
    scheduler = torch.optim.lr_scheduler.StepLR(opt, 5, 0.9)
    net, opt, rows, scheduler = accelerator.prepare(net, opt, loader(), scheduler)
    if load:
        accelerator.load_state(load)
    for epoch in range(2 if load else 0, epochs):
        if hasattr(make, "evaluation"):
            opt.train()
        for inputs, labels in rows:
            with accelerator.accumulate(net):
                accelerator.backward(loss_of(net(inputs), labels))
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(net.parameters(), 0.5)
                opt.step()
                scheduler.step()
                opt.zero_grad()
        if hasattr(make, "evaluation"):
            opt.eval()
        if save and epoch == 1:
            accelerator.save_state(save)
    return flat(net)


@pytest.mark.parametrize("name", TWINS)
def test_accumulated_and_clipped_it_goes_where_torch_goes(name):
    assert_close(trained(*of_ours(name)), trained(*of_torch(name)))


@pytest.mark.parametrize("name", [*TWINS, *LOOKED_AT])
def test_a_state_that_is_loaded_goes_on_as_if_nothing_had_been(tmp_path, name):
    made = LOOKED_AT[name] if name in LOOKED_AT else of_ours(name)
    whole = trained(*made, save=tmp_path / "state")
    assert torch.equal(trained(*made, load=tmp_path / "state"), whole)


def test_evaluation_is_reached_through_the_wrapper():
    from thalweg.integrations.optimizers import own_optimizer

    accelerator = accelerate.Accelerator(cpu=True)
    opt = optim.Ranger(network().parameters(), lr=0.1)
    wrapped = accelerator.prepare(opt)
    assert own_optimizer(wrapped) is opt
    assert own_optimizer(accelerator.prepare(torch.optim.SGD(network().parameters()))) is None
