"""Trainings inside DeepSpeed on two processes: `torchrun zero.py STAGE OFFLOADED FOLDER`.

Each process writes what it found: for each optimizer the weights after the training, and after one
that was saved and gone on with by other objects; for each that a flat partition must refuse, what
it said.
"""

import logging
import sys
import warnings
from pathlib import Path

import torch

import thalweg.optim as optim
from tests.frameworks.made import INPUTS, LABELS, flat, loss_of, network

SETTINGS = {
    "AdamW": {"lr": 0.01},
    "SGD": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "RAdam": {"lr": 0.01},
    "Lion": {"lr": 1e-3},
    "Adan": {"lr": 0.01},
    "AdEMAMix": {"lr": 0.01},
    "ScheduleFreeAdamW": {"lr": 0.01},
}
TWINS = ("AdamW", "SGD", "RAdam")  # of torch's too
REFUSED = ("LAMB", "Ranger", "StableAdamW", "Adafactor")
STEPS, BATCH = 6, 8


def batch_of(t, rank, world):
    """What a process has of the step's batch."""
    own = BATCH // world
    start = t * BATCH + rank * own
    return INPUTS[start : start + own], LABELS[start : start + own]


def weights_of(engine):
    import deepspeed

    with deepspeed.zero.GatheredParameters(list(engine.module.parameters())):
        return flat(engine.module)


def engine_of(make, stage, is_offloaded, settings):
    import deepspeed

    zero = {"stage": stage, "stage3_param_persistence_threshold": 0}
    if is_offloaded:
        zero["offload_optimizer"] = {"device": "cpu"}
    config = {
        "train_micro_batch_size_per_gpu": BATCH // torch.distributed.get_world_size(),
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }
    net = network()
    made = deepspeed.initialize(
        model=net, optimizer=make(net.parameters(), **settings), config=config
    )
    return made[0]


def train(engine, start, stop):
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    for t in range(start, stop):
        inputs, labels = batch_of(t, rank, world)
        engine.backward(loss_of(engine(inputs), labels))
        engine.step()


def trained(make, settings, stage, is_offloaded):
    engine = engine_of(make, stage, is_offloaded, settings)
    train(engine, 0, STEPS)
    return weights_of(engine)


def gone_on_with(make, settings, stage, is_offloaded, folder):
    """The same training in two halves, the second by objects that were given a file."""
    engine = engine_of(make, stage, is_offloaded, settings)
    train(engine, 0, STEPS // 2)
    engine.save_checkpoint(str(folder), tag="half")
    torch.distributed.barrier()
    engine = engine_of(make, stage, is_offloaded, settings)
    engine.load_checkpoint(str(folder), tag="half")
    train(engine, STEPS // 2, STEPS)
    return weights_of(engine)


def told(make, stage, is_offloaded):
    """What an optimizer says that must not step a flat partition."""
    try:
        train(engine_of(make, stage, is_offloaded, {}), 0, 1)
    except RuntimeError as error:
        return str(error)
    return ""


def main(stage, is_offloaded, folder):
    import deepspeed

    # gloo for all: its own exchange by shared memory would be compiled first, for a minute
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("gloo", verbose=False)
    found = {}
    for name, settings in SETTINGS.items():
        make = getattr(optim, name)
        found[name] = trained(make, settings, stage, is_offloaded)
        found[name, "gone on"] = gone_on_with(make, settings, stage, is_offloaded, folder / name)
        if name in TWINS:
            found[name, "torch"] = trained(
                getattr(torch.optim, name), settings, stage, is_offloaded
            )
    for name in REFUSED:
        found[name, "told"] = told(getattr(optim, name), stage, is_offloaded)
    torch.save(found, folder / f"{torch.distributed.get_rank()}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main(int(sys.argv[1]), sys.argv[2] == "offloaded", Path(sys.argv[3]))
