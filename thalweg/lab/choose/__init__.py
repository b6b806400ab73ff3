"""`thalweg choose`: an optimizer to begin with, and the evidence for it, or that there is none."""

from thalweg.lab.choose.choice import Choice, choose
from thalweg.lab.choose.evidence import Fact

__all__ = ["Choice", "Fact", "choose"]
