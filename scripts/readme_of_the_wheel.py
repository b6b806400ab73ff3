"""The description in the wheel's metadata: README.md without the links that lead into the checkout.

An index shows it on a page of its own, where `docs/parity.md` is nowhere. hatchling runs this while
it builds (`[tool.hatch.metadata.hooks.custom]` in pyproject.toml).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?://)[^)]+\)\n", re.MULTILINE)
_RELATIVE = re.compile(r"\[([^\]]+)\]\((?!https?://)([^)]+)\)")


class ReadmeOfTheWheel(MetadataHookInterface):
    """Gives the metadata its `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling, with the metadata it has so far."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": without_links(text)}


def without_links(text: str) -> str:
    """Say the place of a relative link in words, and leave out pictures of the checkout; absolute
    links stay as they are."""

    def in_words(link: re.Match[str]) -> str:
        words, place = link.groups()
        return words if words == place else f"{words} ({place})"

    return _RELATIVE.sub(in_words, _PICTURE.sub("", text))
