"""`thalweg choose`: three questions, or flags, and a line of code with what is known of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from thalweg.lab.answers import JSON, OUT, UNDRAWN, answer, pairs, wrapped
from thalweg.lab.choose.choice import BUDGETS, MEMORIES, TASKS, Choice, choose
from thalweg.lab.errors import UserError

__all__ = ["choose_optimizer"]


def _one_of(known: Mapping[str, str], text: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(metavar="|".join(known), help=text)
    return found


def choose_optimizer(
    task: Annotated[str | None, _one_of(TASKS, "What is learnt.")] = None,
    budget: Annotated[str | None, _one_of(BUDGETS, "How much tuning there is time for.")] = None,
    memory: Annotated[str | None, _one_of(MEMORIES, "Whether two numbers per weight fit.")] = None,
    seed: UNDRAWN = 0,
    as_json: JSON = False,
    out: OUT = None,
) -> None:
    """Choose an optimizer to begin with: a line of code, the reason, and the evidence for it.

    What no flag says is asked. Evidence is what studies have found that give every optimizer the
    same budget; where there is none, that is said.
    """
    known = {"task": TASKS, "budget": BUDGETS, "memory": MEMORIES}
    given = {"task": task, "budget": budget, "memory": memory}
    for name, words in known.items():
        if given[name] is not None and given[name] not in words:
            raise UserError(f"--{name} must be one of {', '.join(words)}, got {given[name]!r}")
    missing = [name for name, value in given.items() if value is None]
    if missing and (as_json or not sys.stdin.isatty()):
        options = ", ".join(f"--{name} {'|'.join(known[name])}" for name in missing)
        raise UserError(f"nobody is there to be asked; add {options}")
    said = {name: given[name] or _ask(name, known[name]) for name in known}
    found = choose(said["task"], said["budget"], said["memory"])
    answer(lambda width: _lines(found, width), found, as_json, out)


_QUESTIONS = {
    "task": "What is learnt?",
    "budget": "How much tuning is there time for?",
    "memory": "Do two more numbers for each weight fit into memory?",
}


def _ask(name: str, known: Mapping[str, str]) -> str:
    """Ask until one of the words, or its beginning, is typed."""
    print("\n".join([_QUESTIONS[name], *pairs(list(known.items()), 80)]))
    while True:
        try:
            typed = input("> ").strip().lower()
        except EOFError:
            raise UserError(f"no answer; --{name} says it without a question") from None
        found = [word for word in known if typed and word.startswith(typed)]
        if len(found) == 1:
            print()
            return found[0]
        print(f"one of {', '.join(known)}, please")


def _lines(found: Choice, width: int) -> list[str]:
    lines = [found.code, "", *wrapped(found.reason, width), "", "Evidence"]
    for fact in found.evidence:
        lines += wrapped(f"{fact.text} ({fact.source})", width, "  - ", "    ")
    lines += ["", "Where there is none", *wrapped(found.lacking, width, "  "), ""]
    if found.others:
        lines.append("Others, by their rules alone")
        for one in found.others:
            lines += wrapped(f"{one.what}: {', '.join(one.names)}", width, "  - ", "    ")
        lines.append("")
    lines.append("Next")
    return lines + [f"  {one}" for one in found.next_steps]
