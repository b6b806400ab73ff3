"""What mkdocs asks while it builds the book (`hooks` in mkdocs.yml).

The pages are read in the repository as well, so they are plain Markdown: equations between dollars,
links to files beside them. Here equations become MathML, which browsers draw by themselves, and a
link to a file that is no page becomes the file's name.

The reference, a page for each optimizer and each stage, is made here and lies nowhere in docs/; in
the repository docs/optimizers.md has all of it on one page, of which the book keeps the table.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import jieba
from latex2mathml.converter import convert
from mkdocs.structure.files import File

from scripts.reference import groups, pages, place

jieba.setLogLevel("WARNING")  # the search's: it tells how long it took to load

DOCS = Path(__file__).parents[1] / "docs"
CHINESE = "zh/"
OPTIMIZERS = "optimizers.md"
REFERENCE = "Reference"
HAN = "\u2018-\u201d\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"  # the signs and their punctuation


def on_config(config: Any) -> Any:
    """A page that the menu names and that is not written yet is left out of it."""
    config.nav = [present(entry) for entry in config.nav]
    at = 1 + next(i for i, entry in enumerate(config.nav) if OPTIMIZERS in str(entry))
    made = [{title: [place(item) for item in those]} for title, those in groups().items()]
    config.nav.insert(at, {REFERENCE: made})
    return config


def on_files(files: Any, config: Any) -> Any:
    """The reference: what no file of docs/ holds."""
    for name, text in pages():
        files.append(File.generated(config, name, content=text))
    return files


def present(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {title: present(below) for title, below in entry.items()}
    if isinstance(entry, list):
        return [present(one) for one in entry if not is_missing(one)]
    return entry


def is_missing(entry: Any) -> bool:
    return isinstance(entry, str) and not (DOCS / entry).exists()


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links that leave docs/ are paths of the repository: `[text](../LICENSE)`.

    Between two Chinese signs the end of a line is no space. `no-run` is a word to the tests.
    """
    at = (DOCS / page.file.src_uri).parent
    if page.file.src_uri == OPTIMIZERS:
        markdown = only_table(markdown)

    def named(link: re.Match[str]) -> str:
        to = (at / link[2].partition("#")[0]).resolve()
        if to.is_relative_to(DOCS):
            return link[0]
        return f"{link[1]} (`{to.relative_to(DOCS.parent).as_posix()}`)"

    markdown = re.sub(r"^(```\w+) no-run$", r"\1", markdown, flags=re.M)
    markdown = re.sub(rf"(?<=[{HAN}])\n(?=[{HAN}])", "", markdown)
    return re.sub(r"\[([^\]]+)\]\((\.\./[^)\s]+)\)", named, markdown)


def only_table(markdown: str) -> str:
    """docs/optimizers.md without its sections, each name leading to a page of its own."""
    table = markdown.partition("\n## ")[0]
    return re.sub(r"\[(\w+)\]\(#\w+\)", r"[\1](reference/\1.md)", table)


def on_page_content(content: str, **_: Any) -> str:
    """Equations as MathML."""
    inline = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.S)
    block = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.S)
    content = inline.sub(lambda found: convert(html.unescape(found[1])), content)
    return block.sub(lambda found: convert(html.unescape(found[1]), display="block"), content)


def on_page_context(context: Any, page: Any, config: Any, **_: Any) -> Any:
    """The theme's own words, and the `lang` of the page, in the language of the page.

    The other language is a click away: of the guide the same page, else its first.
    """
    name = page.url.removeprefix(CHINESE)
    config.theme["language"] = "zh" if page.url.startswith(CHINESE) else "en"
    both = (DOCS / CHINESE / name).with_suffix(".md").exists()
    for other in config.extra["alternate"]:
        there = name if both else "index.html"
        other["link"] = f"{CHINESE}{there}" if other["lang"] == "zh" else there
    return context
