"""Every gradient optimizer written once, compiled into one fused pass over memory.

`import thalweg.optim as optim` stands in for `import torch.optim as optim`. This module itself
imports nothing, so that `import thalweg` costs nothing; `thalweg.explain(opt, p)` tells what the
next step does to a parameter, and is imported when it is asked for.
"""

__version__ = "0.1.0"

_LATER = {"explain": "thalweg.lab.explain"}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'thalweg' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
