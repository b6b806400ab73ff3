"""Schedulers that are made again in the middle of a run, or given another group."""

from tests.schedules.twins import CASES, OURS, TORCHS, build, label
from thalweg.schedules import cosine, inverse_sqrt, warmup


def rates(opt) -> list[float]:
    return [float(group["lr"]) for group in opt.param_groups]


LAST = 11
# In torch `last_epoch=N` is followed by a step, so that the scheduler is at N + 1 once made.
NOW = LAST + 1
COMPOSED = {
    "sequence": lambda opt, **at: OURS.SequentialLR(
        opt,
        [
            OURS.LinearLR(opt),
            OURS.CosineAnnealingWarmRestarts(opt, 2),
            OURS.MultiplicativeLR(opt, lambda t: 0.9),
        ],
        [4, 9],
        **at,
    ),
    "sequence with a member left out": lambda opt, **at: OURS.SequentialLR(
        opt,
        [
            OURS.LinearLR(opt),
            OURS.MultiplicativeLR(opt, lambda t: 0.5),
            OURS.MultiplicativeLR(opt, lambda t: 0.9),
        ],
        [4, 4],
        **at,
    ),
    "sequence of a chain": lambda opt, **at: OURS.SequentialLR(
        opt,
        [
            OURS.LinearLR(opt),
            OURS.ChainedScheduler([OURS.StepLR(opt, 2), OURS.CosineAnnealingLR(opt, 9, 0.01)]),
        ],
        [5],
        **at,
    ),
    "sequence with SWALR": lambda opt, **at: OURS.SequentialLR(
        opt, [OURS.ExponentialLR(opt, 0.9), OURS.SWALR(opt, 0.05, 6)], [8], **at
    ),
    "sequence of torch's": lambda opt, **at: OURS.SequentialLR(
        opt,
        [TORCHS.LinearLR(opt), TORCHS.MultiplicativeLR(opt, lambda t: 0.9)],
        [6],
        **at,
    ),
    "schedule": lambda opt, **at: OURS.ScheduleLR(opt, warmup(4) >> cosine(20), **at),
    "chain": lambda opt, **at: OURS.ChainedScheduler(
        [
            OURS.LinearLR(opt, 0.1, total_iters=20, **at),
            OURS.ExponentialLR(opt, 0.9, **at),
            OURS.StepLR(opt, 5, **at),
        ]
    ),
}
REBUILT = {
    **{
        f"{name} {label(arguments)}": lambda opt, name=name, arguments=arguments, **at: build(
            OURS, opt, name, {**arguments, **at}
        )
        for name, arguments in CASES
    },
    **COMPOSED,
}


GROWING = {
    "LambdaLR": lambda opt: OURS.LambdaLR(opt, lambda t: 1 / (t + 1)),
    "MultiplicativeLR": lambda opt: OURS.MultiplicativeLR(opt, lambda t: 0.9),
    "StepLR": lambda opt: OURS.StepLR(opt, 3),
    "MultiStepLR": lambda opt: OURS.MultiStepLR(opt, [2, 8]),
    "ConstantLR": lambda opt: OURS.ConstantLR(opt, total_iters=8),
    "LinearLR": lambda opt: OURS.LinearLR(opt, total_iters=8),
    "ExponentialLR": lambda opt: OURS.ExponentialLR(opt, 0.9),
    "PolynomialLR": lambda opt: OURS.PolynomialLR(opt, 20, 2.0),
    "CosineAnnealingLR": lambda opt: OURS.CosineAnnealingLR(opt, 10, 0.01),
    "CosineAnnealingWarmRestarts": lambda opt: OURS.CosineAnnealingWarmRestarts(opt, 4),
    "CyclicLR": lambda opt: OURS.CyclicLR(opt, 0.01, 0.1, 4),
    "OneCycleLR": lambda opt: OURS.OneCycleLR(opt, 0.5, total_steps=50),
    "ReduceLROnPlateau": lambda opt: OURS.ReduceLROnPlateau(opt, patience=1, cooldown=1),
    "SWALR": lambda opt: OURS.SWALR(opt, 0.05),
    "ScheduleLR": lambda opt: OURS.ScheduleLR(opt, warmup(4) >> inverse_sqrt(4)),
    "SequentialLR": lambda opt: OURS.SequentialLR(
        opt, [OURS.LinearLR(opt), OURS.CosineAnnealingLR(opt, 9)], [3]
    ),
    "ChainedScheduler": lambda opt: OURS.ChainedScheduler(
        [OURS.LinearLR(opt), OURS.ExponentialLR(opt, 0.9)]
    ),
}
