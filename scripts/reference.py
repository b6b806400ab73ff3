"""The pages of the reference: one for each optimizer and each stage, out of the registry.

They are made while the book is built (`scripts/book.py`) and lie nowhere else. All of it is said in
docstrings, declarations and `thalweg.meanings`; `docs/optimizers.md` is the table of them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.draw_paths import drawing, kept
from scripts.equations import table
from scripts.write_optimizers import kind, streams
from thalweg.border.help import explained
from thalweg.chain import Chain
from thalweg.lab.facts import facts
from thalweg.lab.listing import Item, items
from thalweg.meanings import meaning
from thalweg.optimizers import OPTIMIZERS

__all__ = ["FOLDER", "example", "groups", "page", "pages", "place"]

FOLDER = "reference"

# what a step needs beside the element that it moves, as the menu has it, in this order
_GROUPS = {
    "elements": "Element by element",
    "sums over rows": "Sums over rows or a tensor",
    "sums over the tensor": "Sums over rows or a tensor",
    "sums over all": "Sums over all tensors",
    "matrices": "Products of matrices",
    "another gradient": "Another gradient",
    "": "For PyTorch alone",
}
_STAGES = "Stages"

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def place(item: Item) -> str:
    """Where the page of an item lies in the book; of two called SAM one is a stage."""
    folder = FOLDER if item.kind == "optimizers" else f"{FOLDER}/stages"
    return f"{folder}/{item.name}.md"


def groups() -> dict[str, list[Item]]:
    """The items of each group of the menu."""
    found: dict[str, list[Item]] = {title: [] for title in [*_GROUPS.values(), _STAGES]}
    for item in items(("optimizers", "stages")):
        found[_group(item)].append(item)
    return found


def _group(item: Item) -> str:
    if item.kind == "stages":
        return _STAGES
    return _GROUPS[kind(OPTIMIZERS[item.name]) if item.name in OPTIMIZERS else ""]


def pages() -> Iterator[tuple[str, str]]:
    """The place and the text of each page."""
    for item in items(("optimizers", "stages")):
        yield place(item), page(item)


def page(item: Item) -> str:
    """The text of one."""
    made = OPTIMIZERS.get(item.name) if item.kind == "optimizers" else None
    parts = [f"# {item.name}", *_said(item.doc)]
    if item.kind == "optimizers":
        parts += ["## Use", *_use(item.name), *_walk(item.name)]
    told = facts(item)
    if told.settings:
        parts += ["## Arguments", _settings(item, made)]
    if told.states:
        heads = ("", "in `state_dict`", "one per", "starts as", "kept")
        cells = [[_code(s.name), _code(s.key), s.per, s.start, s.when] for s in told.states]
        parts += ["## State", _table(heads, cells)]
    if told.memory:
        parts += [f"{told.memory[:1].upper()}{told.memory[1:]}."]
    if made is not None:
        parts += ["## A step", _step(item.name, made)]
    if told.source:
        parts += ["## Its text", "What is run, compiled for a device or as it stands:"]
        parts += [f"`{where}`\n\n```python\n{text}\n```" for where, text in told.source]
    return "\n\n".join(parts) + "\n"


def _said(doc: str) -> Iterator[str]:
    """A docstring: prose, its equations, the paper with a link, and what differs."""
    for paragraph in doc.split("\n\n"):
        if paragraph.startswith(" "):
            yield table(paragraph)
        else:
            text = re.sub(r"\n(Differs:)", r"\n\n\1", paragraph)
            text = re.sub(r"^(Paper|Differs):", r"**\1:**", text, flags=re.M)
            yield _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _settings(item: Item, made: Chain | None) -> str:
    if made is not None:
        said = explained(made, {})
        shown = {name: made.settings[name].default for name in made.signature.shown}
        rows = [[_code(name), _code(repr(value)), said[name]] for name, value in shown.items()]
        return _table(("", "default", ""), rows)
    rows = [
        [_code(one.name), _code(one.default), f"{meaning(item.name, one.name)}; {one.range}"]
        for one in facts(item).settings
    ]
    return _table(("", "default", ""), rows)


def _table(heads: tuple[str, ...], cells: list[list[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *cells]
    safe = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in safe)


def _code(text: str) -> str:
    return f"`{text}`"


def _step(name: str, made: Chain) -> str:
    """What one costs, and where to see more."""
    count, _, more = streams(made).partition(" ")
    told = "once, and multiply matrices" if more else "once"
    low = name.lower()
    return (
        f"Most steps read and write {count} arrays of the parameter's size {told}. "
        f"`thalweg show {low} --passes` says which, `thalweg explain {low}` walks through some "
        "with their numbers, and `thalweg bench` times one."
    )


def _use(name: str) -> list[str]:
    beside = "`thalweg.optim` is the same for PyTorch." if _is_for_both(name) else ""
    return list(filter(None, [f"```python\n{example(name)}```", beside]))


def _walk(name: str) -> Iterator[str]:
    """Where it goes on a surface, if a point is enough for it."""
    drawn = drawing(name)
    if drawn:
        yield "## On a surface"
        one = kept()["paths"][name]
        yield (
            f"Two hundred steps on Beale's function at lr {one['lr']:g}, of sixteen rates the one "
            f"that ends lowest, at a loss of {one['value']:.1e}. What is seen here is how the rule "
            "moves; how well it trains a network is another question."
        )
        yield drawn


def _is_for_both(name: str) -> bool:
    made = OPTIMIZERS.get(name)
    return made is not None and not any(rule.rows_only for rule in made.rules)


_BEGIN = """import numpy as np
from thalweg.mytorch import nn, optim

model, mean_error = nn.Linear(4, 2), nn.MSELoss()
x, y = np.ones((8, 4), np.float32), np.zeros((8, 2), np.float32)
opt = optim.{name}({parameters})
"""
_IN_TORCH = """import torch
from thalweg import optim

model = torch.nn.{layer}
{data}
opt = optim.{name}(model.parameters())
"""
_STEP = """
opt.zero_grad()
mean_error(model(x), y).backward()
opt.step()
"""
_CLOSURE = """

def closure():
    opt.zero_grad()
    loss = {loss}
    loss.backward()
    return loss


"""
_DRAWN = """def on_drawn():  # the loss on targets drawn from the predictions
    opt.zero_grad()
    output = model(x)
    loss = mean_error(output, output.numpy() + np.random.normal(size=(8, 2)).astype(np.float32))
    loss.backward()
    return loss


"""
_EVALUATION = """
with opt.evaluation():  # the weights to look at and to keep
    print(mean_error(model(x), y).item())
"""


def example(name: str) -> str:
    """A step of an optimizer on a small layer, as a whole program."""
    if not _is_for_both(name):
        return _in_torch(name)
    made = OPTIMIZERS[name]
    takes_all = made.choice.which((1,)) is not None
    some = "[p for p in model.parameters() if p.ndim == 2]"
    text = _BEGIN.format(name=name, parameters="model.parameters()" if takes_all else some)
    asked = {(one.kind, one.of) for one in made.requests.values() if one.kind != "noise"}
    if not asked:
        text += _STEP
    else:
        text += _CLOSURE.format(loss="mean_error(model(x), y)")
        drawn = ("gradient", "sampled") in asked
        text += _DRAWN if drawn else ""
        text += f"opt.step(closure{', sampled=on_drawn' if drawn else ''})\n"
    return text + (_EVALUATION if made.evaluates else "")


def _in_torch(name: str) -> str:
    """Of one that is for torch alone, or for the gradients of embeddings."""
    if name in OPTIMIZERS:
        data = "rows = torch.tensor([1, 5, 5])"
        layer = "Embedding(1000, 8, sparse=True)"
        begin = _IN_TORCH.format(name=name, layer=layer, data=data)
        return begin + "\nopt.zero_grad()\nmodel(rows).square().sum().backward()\nopt.step()\n"
    begin = _IN_TORCH.format(name=name, layer="Linear(4, 2)", data="x = torch.ones(8, 4)")
    return begin + _CLOSURE.format(loss="model(x).square().mean()") + "opt.step(closure)\n"
