"""The page itself: verdict, table, figures, and how it came about, in one file."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from thalweg.lab.contest import Contest
from thalweg.lab.page.figures import Figure, figures
from thalweg.lab.report import headings, notes, row
from thalweg.lab.results import About, results
from thalweg.lab.specification import shown
from thalweg.lab.summary import rank, target_of, verdict_of
from thalweg.lab.verdict import Verdict
from thalweg.whole_file import whole_file

__all__ = ["write_page"]

_STYLE = """
  body { margin: 0 auto; max-width: 1080px; padding: 16px; color: #1b1b1b; background: #fff;
         font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
  h1 { font-size: 1.5rem; margin: 0.4em 0; }
  h2 { font-size: 1.15rem; margin: 2em 0 0.2em; }
  p { margin: 0.4em 0; max-width: 46em; }
  .verdict { font-size: 1.15rem; border-left: 4px solid #0072B2; padding-left: 0.8em; }
  .about { color: #555; font-size: 0.9rem; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.6em 0; }
  th, td { text-align: right; padding: 0.25em 0.8em; border-bottom: 1px solid #ddd;
           white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; padding-left: 0; }
  .facts td { white-space: normal; text-align: left; vertical-align: top;
              overflow-wrap: anywhere; font-size: 0.9rem; }
  .facts td:first-child { overflow-wrap: break-word; min-width: 7em; }
  tr.winner { font-weight: bold; }
  pre { overflow-x: auto; background: #f4f4f4; padding: 0.7em; font-size: 0.9rem; }
  .figure { width: 100%; height: 430px; }
  @media (max-width: 600px) { body { padding: 10px; } .figure { height: 380px; } }
"""

# Nothing may be fetched: what is not on the page is not there.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)

_SCRIPT = """
  const options = {responsive: true, displaylogo: false, displayModeBar: false};
  for (const one of JSON.parse(document.getElementById("figures").textContent))
    Plotly.newPlot(one.id, one.traces, one.layout, options);
"""


def write_page(path: Path, contest: Contest, about: About) -> None:
    """Write the page of a contest with at least one finished run."""
    from plotly.offline import get_plotlyjs

    drawn = figures(contest)
    with whole_file(path) as file:
        file.write(_head(_title(contest)).encode())
        file.write(_body(contest, about, drawn).encode())
        file.write(f"<script>{get_plotlyjs()}</script>\n".encode())
        file.write(f"{_data(drawn)}<script>{_SCRIPT}</script>\n</body>\n</html>\n".encode())


def _title(contest: Contest) -> str:
    return f"thalweg compare: {contest.task.name}"


def _head(title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    )


def _data(drawn: list[Figure]) -> str:
    told = [
        {
            "id": one.id,
            "traces": one.traces,
            "layout": {key: value for key, value in one.layout.items() if not key.startswith("_")},
        }
        for one in drawn
    ]
    text = json.dumps(told, allow_nan=False).replace("</", "<\\/")
    return f'<script type="application/json" id="figures">{text}</script>\n'


def _body(contest: Contest, about: About, drawn: list[Figure]) -> str:
    verdict = verdict_of(contest)
    parts = [
        f"<h1>{escape(_title(contest))}</h1>",
        f"<p>{escape(contest.task.description)}.</p>",
        "" if about.complete else "<p><b>Not complete: what was finished when it ended.</b></p>",
        f'<p class="verdict">{escape(verdict.sentence)}</p>' if verdict.sentence else "",
        _table(contest, verdict),
        *_notes(contest),
        _differences(contest, verdict),
    ]
    for figure in drawn:
        parts += [
            f"<h2>{escape(figure.title)}</h2>",
            f'<p class="about">{escape(figure.about)}</p>',
            f'<div class="figure" id="{figure.id}"></div>',
        ]
    return "\n".join([*filter(None, parts), *_origin(contest, about)]) + "\n"


def _table(contest: Contest, verdict: Verdict) -> str:
    heads = [
        "optimizer",
        *(" ".join(one.split()) for one in headings(contest.task, target_of(contest))),
    ]
    lines = []
    for entry, summary in rank(contest):
        mark = ' class="winner"' if entry.label == verdict.winner else ""
        cells = [entry.label, *row(entry, summary, contest.task)]
        lines.append(f"<tr{mark}>{_cells(cells, 'td')}</tr>")
    return f'<div class="wide"><table><tr>{_cells(heads, "th")}</tr>{"".join(lines)}</table></div>'


def _cells(texts: list[str], kind: str) -> str:
    return "".join(f"<{kind}>{escape(text)}</{kind}>" for text in texts)


def _notes(contest: Contest) -> list[str]:
    told = notes(contest, rank(contest), target_of(contest))
    return [f'<p class="about">{escape(one)}</p>' for one in told]


def _differences(contest: Contest, verdict: Verdict) -> str:
    """How far the others are behind the first, seed by seed."""
    if verdict.seeds < 2 or not verdict.differences:
        return ""
    share = contest.task.is_share
    scale, unit = (100, " points") if share else (1, "")
    heads = [f"behind {verdict.first}", "by", "95 % interval", "chance, corrected"]
    lines = [
        [
            one.label,
            f"{scale * one.mean:.3g}{unit}",
            f"{scale * one.low:.3g} to {scale * one.high:.3g}",
            f"{one.chance:.2g}",
        ]
        for one in verdict.differences
    ]
    body = "".join(f"<tr>{_cells(line, 'td')}</tr>" for line in lines)
    return (
        "<h2>How far behind</h2>"
        f'<p class="about">On the test, paired by seed. Chance: how often equals would differ as '
        "much, corrected for the number of comparisons (Holm).</p>"
        f'<div class="wide"><table><tr>{_cells(heads, "th")}</tr>{body}</table></div>'
    )


def _origin(contest: Contest, about: About) -> list[str]:
    """Settings, versions, machine, and the command."""
    found = results(contest, about)
    settings = [
        [
            label,
            ", ".join(
                f"{key}={shown(tuple(value) if isinstance(value, list) else value)}"
                for key, value in {"lr": one["lr"], **one["settings"]}.items()
            ),
        ]
        for label, one in found["optimizers"].items()
    ]
    machine = found["machine"]
    facts = [
        ["versions", ", ".join(f"{name} {one}" for name, one in found["versions"].items())],
        ["machine", f"{machine['processor']}, {machine['cpus']} cores; {machine['platform']}"],
        ["threads", str(machine["threads"])],
        ["epochs, batch size", f"{contest.budget.epochs}, {contest.budget.batch_size}"],
        ["schedule", contest.budget.schedule or "none"],
        ["finished", f"{found['finished_at']}, after {about.seconds:.0f} s"],
    ]
    return [
        "<h2>Settings</h2>",
        _texts(settings),
        "<h2>How this was made</h2>",
        _texts(facts),
        "<p>This repeats it:</p>",
        f"<pre>{escape(about.command)}</pre>",
    ]


def _texts(lines: list[list[str]]) -> str:
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in lines
    )
    return f'<table class="facts">{body}</table>'
