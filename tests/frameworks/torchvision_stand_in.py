"""A stand-in for torchvision, which has no build beside a CPU torch on the registry.

timm imports it for its layers and its data, neither of which an optimizer meets: what is here has
the names that are imported, and nothing behind them.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

_NAME = "torchvision"


class _Names(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return f"{cls.__name__}.{name}"


class _Empty(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Names(name, (), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != _NAME:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return _Empty(spec.name)

    def exec_module(self, module):
        module.__version__ = "0.0"


def install():
    """Put it where torchvision is missing."""
    if importlib.util.find_spec(_NAME) is None:
        sys.meta_path.append(_Finder())
