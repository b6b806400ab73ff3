"""Steps that are interrupted at every line of ours, one after the other."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


def interrupted(make: Callable[[], Any], call: Callable[[Any], Any]) -> Iterator[Any]:
    """Things made anew, each after a call on it that was interrupted one line later than before."""
    number = 0
    while True:
        number += 1
        thing, before = make(), sys.gettrace()
        sys.settrace(_raising_at(number))
        try:
            call(thing)
        except KeyboardInterrupt:
            yield thing
        else:
            return
        finally:
            sys.settrace(before)
