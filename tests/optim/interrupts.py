"""Calls that are interrupted at a line of ours."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import thalweg

OURS = str(Path(thalweg.__file__).parent)


def _raising_at(number: int) -> Any:
    """A trace function that raises at the so-many-th line of ours, as Ctrl-C does between two."""
    ahead = number

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal ahead
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            ahead -= 1
            if not ahead:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    return trace


def is_interrupted(call: Callable[[], Any], line: int) -> bool:
    """Whether a call was interrupted at the so-many-th line, or came to its end before."""
    before, errors = sys.gettrace(), np.geterr()
    sys.settrace(_raising_at(line))
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
        np.seterr(**errors)  # what is raised where a `with` ends leaves what it had set
    return False
