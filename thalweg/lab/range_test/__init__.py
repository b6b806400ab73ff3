"""The range test, `thalweg.lab.lr_find`: which learning rate to begin with, and why."""

from thalweg.lab.range_test.suggestion import Suggestion
from thalweg.lab.range_test.sweep import RangeTest, lr_find

__all__ = ["RangeTest", "Suggestion", "lr_find"]
