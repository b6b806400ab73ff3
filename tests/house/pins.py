"""What constraints.txt pins: for everything, and for environments of their own."""

import re

from packaging.utils import canonicalize_name

from tests.house.modules import ROOT


def pinned(section=""):
    """The packages of a section, by its first words ("extra jax"); without one, those before all
    sections."""
    ours, *others = (ROOT / "constraints.txt").read_text(encoding="utf-8").split("# Of the ")
    (text,) = [one for one in others if one.startswith(section)] if section else [ours]
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.M)}
