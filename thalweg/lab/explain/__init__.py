"""A step in numbers: what each line of a rule makes of one element, `thalweg.explain(opt, p)`."""

from thalweg.lab.explain.step import Explanation, PartExplained, explain
from thalweg.lab.explain.walk import Line

__all__ = ["Explanation", "Line", "PartExplained", "explain"]
