"""Which optimizer for a task, a tuning budget and a memory: with the evidence, or without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from thalweg.lab.choose.evidence import STUDIES, Fact, memory_of
from thalweg.lab.choose.registry import Others, others
from thalweg.lab.errors import UserError

__all__ = ["BUDGETS", "MEMORIES", "TASKS", "Choice", "choose"]

TASKS = {
    "vision": "images: convolutions or vision transformers",
    "language": "text: transformers trained on tokens",
    "tabular": "rows of a table",
    "rl": "reinforcement learning",
    "pinn": "physics: a loss over all points at once, smooth and without noise",
}
BUDGETS = {
    "none": "one training, nothing is tuned",
    "small": "some ten trainings to tune with",
    "large": "dozens of trainings to tune with",
}
MEMORIES = {"ample": "two numbers of state per weight fit", "tight": "they do not"}


@dataclass(frozen=True)
class Choice:
    """An optimizer as a line of code, why, what is known of it, and what nobody has shown; `others`
    are those of the registry that fit the same wish by their rules alone."""

    optimizer: str
    code: str
    reason: str
    evidence: Sequence[Fact]
    lacking: str
    next_steps: Sequence[str]
    others: Sequence[Others] = ()


def choose(task: str, budget: str = "small", memory: str = "ample") -> Choice:
    """The optimizer to begin with; raises UserError for words that are not among the known.

    choose("language", budget="large").code
    """
    for word, known, name in (
        (task, TASKS, "--task"),
        (budget, BUDGETS, "--budget"),
        (memory, MEMORIES, "--memory"),
    ):
        if word not in known:
            raise UserError(f"{name} must be one of {', '.join(known)}, got {word!r}")
    found = _chosen(task, budget, memory)
    if task == "pinn" and memory != "tight":
        return found  # what makes L-BFGS fit, no rule of one pass has
    return replace(found, others=others(task, budget, memory, found.optimizer))


def _chosen(task: str, budget: str, memory: str) -> Choice:
    if task == "pinn":
        return _physics(budget, memory)
    if memory == "tight":
        return _tight(task, budget)
    if budget == "none":
        return _untuned(task)
    return _language(budget) if task == "language" else _common(task, budget)


def _made(
    optimizer: str,
    settings: str,
    reason: str,
    studies: Sequence[str],
    lacking: str,
    more: Sequence[str] = (),
) -> Choice:
    facts = [STUDIES[name] for name in studies] + [memory_of(optimizer)]
    code = f"opt = thalweg.optim.{optimizer}(model.parameters(){settings})"
    return Choice(optimizer, code, reason, facts, lacking, more)


def _find(optimizer: str) -> str:
    return f"thalweg lr-find {_quoted(optimizer.lower())} --model FILE.py:task"


def _compare(*optimizers: str) -> str:
    names = " ".join(map(_quoted, optimizers))
    return f"thalweg compare {names} --model FILE.py:task --tune 20"


def _quoted(optimizer: str) -> str:
    return f'"{optimizer}"' if "(" in optimizer else optimizer


# what the studies were made on, where it is not what somebody asks for
_NOT_ON = {
    "tabular": "AlgoPerf's one table is a terabyte of click logs; none of these studies is about "
    "small ones.",
    "rl": "None of these studies is about reinforcement learning, where the targets move while one "
    "learns; take what is said for a place to begin.",
}


def _common(task: str, budget: str) -> Choice:
    """Vision, tables and reinforcement learning, with some tuning."""
    if budget == "small":
        return _made(
            "Adam",
            ", lr=...",
            "With few trainings to spend, spend them on the lr of Adam alone.",
            ["tuning counts", "crowded valley"],
            _NOT_ON.get(task, "For a network and data of your own nobody has measured it."),
            [_find("Adam"), _compare("adam")],
        )
    return _made(
        "AdamW",
        ", lr=..., weight_decay=...",
        "With many trainings to spend, let several compete on your own task, each with as many "
        "trials: none is known to be ahead in general. AdamW is where to begin.",
        ["crowded valley", "tuning counts"],
        _NOT_ON.get(task, "Which of them is ahead on your task only your task can say."),
        [_compare("adamw", "sgd(momentum=0.9)", "radam", "schedulefreeadamw")],
    )


def _language(budget: str) -> Choice:
    if budget == "small":
        return _made(
            "AdamW",
            ", lr=...",
            "Tuning AdamW's lr is worth more than changing to another optimizer with an lr that "
            "was not tuned.",
            ["tuned adamw", "batch and horizon"],
            "Below 100 million weights, and for fine-tuning, these studies have no numbers.",
            [_find("AdamW"), _compare("adamw")],
        )
    muon = _made(
        "Muon",
        "",
        "Muon for the hidden matrices, as it takes nothing else; the embeddings, the head, norms "
        "and biases go to AdamW. Its lead shrinks as models grow, and it must be tuned for your "
        "batch and horizon as AdamW must.",
        ["matrices", "batch and horizon", "tuned adamw"],
        "Above 1.2 billion weights these studies have no numbers.",
        [_compare("muon", "adamw") + " --backend torch"],
    )
    hidden = "[p for p in model.blocks.parameters() if p.ndim == 2]"
    matched = 'adjust_lr_fn="match_rms_adamw"'
    return replace(muon, code=f"opt = thalweg.optim.Muon({hidden}, lr=..., {matched})")


def _untuned(task: str) -> Choice:
    lacking = _NOT_ON.get(task, "AlgoPerf's targets are those of its own eight workloads.")
    return _made(
        "ScheduleFreeAdamW",
        "",
        "It needs no schedule, and so no length of the training to be known. Look at the model "
        "within `with opt.evaluation():`.",
        ["algoperf", "crowded valley"],
        lacking,
        [_find("ScheduleFreeAdamW")],
    )


def _tight(task: str, budget: str) -> Choice:
    if task == "language":
        return _made(
            "Lion",
            ", lr=..., weight_decay=...",
            "One number of state per weight, half of AdamW's. Its lr is to be 3 to 10 times "
            "smaller than AdamW's, and its decay larger by as much (Chen et al. 2023, "
            "arXiv:2302.06675). Adafactor keeps less still.",
            ["batch and horizon"],
            "That it is as good as AdamW at your size, batch and horizon none of these studies "
            "shows: compare them on a smaller model.",
            [_find("Lion"), _compare("lion", "adamw")],
        )
    return _made(
        "SGD",
        ", lr=..., momentum=0.9",
        "One number of state per weight, half of Adam's, and none without momentum. Its lr must be "
        "tuned: it has no scale of its own.",
        ["crowded valley"],
        "That it does well without any tuning nobody has shown: take the time for lr-find at least."
        if budget == "none"
        else _NOT_ON.get(task, "How far it is behind Adam, or ahead, only your task can say."),
        [_find("SGD(momentum=0.9)"), _compare("sgd(momentum=0.9)", "lion")],
    )


def _physics(budget: str, memory: str) -> Choice:
    lacking = (
        "None of the comparisons with equal budgets is about such losses; users of PINNs ask for "
        "second-order methods (PINA issue 618), which is a wish and no evidence."
    )
    if memory == "tight":
        return _made(
            "Adam",
            ", lr=...",
            "L-BFGS keeps its last hundred steps; where they do not fit, Adam is left.",
            ["tuning counts"],
            lacking,
            [_find("Adam")],
        )
    return _made(
        "LBFGS",
        ', line_search_fn="strong_wolfe"',
        "A smooth loss over all points has no noise that would spoil the curvature which L-BFGS "
        "learns, and its line search finds the step itself. It takes a closure; some steps of Adam "
        "first bring it near.",
        [],
        lacking,
        [_compare("lbfgs", "adam")],
    )
