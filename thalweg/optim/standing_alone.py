"""A step that is compiled alone, `torch.compile(opt.step)`: it is machine code already.

Dynamo would look at every parameter and state again, and a graph of one operator calls what a step
calls anyway. So its frame is left to Python, and dynamo looks away while it runs. Inside of a
larger function, and where a whole graph is asked for, the step is an operator of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["alone", "is_compiled_alone", "left_alone"]

_frames: Any = getattr(getattr(torch._C, "_dynamo", None), "eval_frame", None)
_set_strategy: Any = getattr(_frames, "set_code_exec_strategy", None)
_Strategy: Any = getattr(_frames, "_FrameExecStrategy", None)
_Action: Any = getattr(_frames, "_FrameAction", None)
_watch: Any = getattr(_frames, "set_eval_frame", None)
_watching: Any = getattr(_frames, "get_eval_frame_callback", None)
_count_frames: Any = getattr(_frames, "set_fullgraph_compiled_frame_count", None)
_KNOWN = None not in (_set_strategy, _Strategy, _Action, _watch, _watching, _count_frames)


def left_alone(step: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose frames dynamo does not compile; it still follows calls of it."""
    if _KNOWN:
        _set_strategy(step.__code__, _Strategy(_Action.SKIP, _Action.DEFAULT))
    return step


def is_compiled_alone() -> bool:
    """Whether dynamo would compile the next frame: asked in one that is left alone."""
    return _KNOWN and callable(_watching())


def alone(step: Callable[[], Any], followed: Callable[[], Any]) -> Any:
    """Take the step while dynamo looks away; where a whole graph is asked for, let it follow."""
    count = _count_frames(-1)  # of compiled frames: from 0 with `fullgraph=True`, else below it
    _count_frames(count)
    if count >= 0:
        return followed()
    before = _watch(None)
    try:
        return step()
    finally:
        _watch(before)


for _one in (is_compiled_alone, alone):
    left_alone(_one)
