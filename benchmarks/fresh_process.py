"""What one fresh process of `first_step.py` does: imports, constructs, steps, prints its times.

Usage: python fresh_process.py thalweg.optim AdamW
"""

import builtins
import importlib
import json
import sys
import time

LAYERS = ((784, 256), (256, 128), (128, 10))
STEPS = 12  # as many as Ranger needs to have used each of its plans


class ImportClock:
    """Adds up the seconds spent on importing some packages, whoever asks for them."""

    def __init__(self, *packages):
        self.packages, self.seconds = packages, 0.0
        self._import = builtins.__import__
        builtins.__import__ = self._timed

    def _timed(self, name, *rest):
        if name.partition(".")[0] not in self.packages:
            return self._import(name, *rest)
        builtins.__import__ = self._import  # what is imported in turn is part of this
        start = time.perf_counter()
        try:
            return self._import(name, *rest)
        finally:
            self.seconds += time.perf_counter() - start
            builtins.__import__ = self._timed


def timed(function, *arguments):
    start = time.perf_counter()
    value = function(*arguments)
    return value, time.perf_counter() - start


def parameters(torch):
    found = []
    for into, out in LAYERS:
        for shape in ((out, into), (out,)):
            found.append(torch.nn.Parameter(torch.ones(shape)))
            found[-1].grad = torch.ones(shape)
    return found


def main(module, name):
    torch, import_torch = timed(importlib.import_module, "torch")
    optim, import_optim = timed(importlib.import_module, module)
    params = parameters(torch)
    opt, construction = timed(getattr(optim, name), params)
    clock = ImportClock("llvmlite")
    _, first = timed(opt.step)
    later = [timed(opt.step)[1] for _ in range(STEPS - 1)]
    seconds = {
        "import torch": import_torch,
        "import optim": import_optim,
        "construction": construction,
        "import LLVM": clock.seconds,
        "first step": first,
        "slowest later step": max(later),
    }
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
