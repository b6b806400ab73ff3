"""What is printed: in narrow windows, into what is full or closed, and about who is ahead."""

import os
import re
import string
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from tests.lab.conftest import COMMAND, FILES, environment, run_thalweg
from tests.lab.made import contest, fill, outcome
from thalweg.lab import main
from thalweg.lab.contest import Contest
from thalweg.lab.contestants import DEFAULT_NAMES
from thalweg.lab.page import write_page
from thalweg.lab.picture import draw_curves
from thalweg.lab.report import print_report
from thalweg.lab.results import About
from thalweg.pictures.losses import plot_losses

QUICK = ("compare", "sgd", "--lr", "sgd=0.1", "--seeds", "1", "--epochs", "1", "--out", "kept")
needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")


def report(made: Contest, width: int = 80, **console) -> str:
    shown = Console(width=width, **console)
    with shown.capture() as capture:
        print_report(shown, made)
    return capture.get()


def is_bold(text: str, name: str) -> bool:
    line = next(line for line in text.splitlines() if name in line)
    return "\x1b[1m" in line


# Narrow windows.


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_report_fits_its_window_and_no_cell_is_cut(width):
    shown = report(contest(adam=[0.9712, 0.9633, 0.9541], sgd=[0.9, 0.8, 0.7]), width)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    for value in ("96.29 ± 2.13", "80.00 ± 24.84", "0.100"):
        assert value in shown


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["40", "60", "200"])
def test_in_a_pipe_and_in_ascii_there_is_nothing_but_words_and_numbers(columns, tmp_path):
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict", "NO_COLOR": "1"}
    done = subprocess.run(
        [*COMMAND, *QUICK],
        capture_output=True,
        cwd=tmp_path,
        env={**environment(), **plain, "COLUMNS": columns},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("ascii")
    assert set(text) <= set(string.printable)
    assert "\x0b" not in text
    assert "?" not in text
    said = [line for line in text.splitlines() if not line.startswith(("[", "  kept"))]
    assert max(map(len, said)) <= int(columns)
    assert "validation accuracy to be reached" in " ".join(text.split())


def told(columns: str, *arguments: str, monkeypatch, capsys) -> str:
    """What the command prints in a window of so many columns."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "argv", ["thalweg", *arguments])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def words(text: str) -> list[str]:
    """Where a line ends in a hyphen, the word goes on in the next."""
    return re.sub(r"-\n\s+", "-", text).split()


@pytest.mark.parametrize("columns", ["40", "60", "80", "200"])
@pytest.mark.parametrize("command", [(), ("compare",)])
def test_help_fits_its_window_and_breaks_no_word(columns, command, monkeypatch, capsys):
    shown = told(columns, *command, "--help", monkeypatch=monkeypatch, capsys=capsys)
    assert max(map(len, shown.splitlines())) <= min(int(columns), 80)
    wide = told("80", *command, "--help", monkeypatch=monkeypatch, capsys=capsys)
    assert words(shown) == words(wide)
    assert "<" not in shown  # as in <str> or <list[str]>


def test_the_help_names_the_optimizers_that_run_by_default(monkeypatch, capsys):
    *rest, last = DEFAULT_NAMES
    shown = told("80", "compare", "--help", monkeypatch=monkeypatch, capsys=capsys)
    assert f"Without any there are {', '.join(rest)} and {last}." in " ".join(shown.split())


def test_without_a_command_there_is_the_help(monkeypatch, capsys):
    shown = told("80", monkeypatch=monkeypatch, capsys=capsys)
    assert shown == told("80", "--help", monkeypatch=monkeypatch, capsys=capsys)


def test_the_package_runs_as_the_command_does(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "thalweg", "--version"], capture_output=True, text=True
    )
    assert done.stdout == run_thalweg("--version", cwd=tmp_path).stdout


# A standard output that takes nothing.


def into(command: str, place, *arguments: str) -> subprocess.CompletedProcess:
    """Run a shell's line in which $0 stands for thalweg and what it is to do."""
    line = command.replace("$0", " ".join([*COMMAND, *arguments]))
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, cwd=place, env=environment()
    )


@needs_full
@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("$0 > /dev/full", "No space left on device"),
        ("$0 >&-", "it is closed"),
        ("($0; echo $? >&2) | head -1", "Broken pipe"),
    ],
)
def test_what_cannot_be_shown_is_said_and_the_files_are_kept(line, reason, tmp_path):
    done = into(line, tmp_path, *QUICK)
    sentence = f"thalweg: cannot write to standard output: {reason}; everything is in kept\n"
    assert done.stderr in (sentence, f"{sentence}1\n")
    assert done.returncode == ("head" not in line)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == FILES


@needs_full
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ()])
def test_every_command_says_so(arguments, tmp_path):
    done = into("$0 > /dev/full", tmp_path, *arguments)
    assert done.stderr == "thalweg: cannot write to standard output: No space left on device\n"
    assert done.returncode == (1 if arguments else 2)


@needs_full
@pytest.mark.parametrize("line", ["$0 2> /dev/full", "$0 2>&-"])
def test_an_error_that_cannot_be_shown_keeps_its_code(line, tmp_path):
    done = into(line, tmp_path, "compare", "quasar")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


# Who is ahead.


def test_a_winner_is_marked_and_said():
    ahead = contest(adam=[0.9, 0.91, 0.92, 0.9, 0.93], sgd=[0.8, 0.82, 0.81, 0.8, 0.84])
    shown = report(ahead, force_terminal=True)
    assert is_bold(shown, "Adam")
    assert not is_bold(shown, "SGD")
    assert "Adam is better than the other, as far as 5 seeds of each can tell." in shown


@pytest.mark.parametrize(
    ("accuracies", "sentence"),
    [
        ({"adam": [0.9, 0.8, 0.9], "sgd": [0.8, 0.9, 0.8]}, "No difference between Adam and SGD"),
        ({"adam": [0.9], "sgd": [0.8]}, "One seed tells no difference"),
    ],
)
def test_a_lead_that_the_seeds_do_not_show_is_not_marked(accuracies, sentence):
    shown = report(contest(**accuracies), force_terminal=True)
    assert not is_bold(shown, "Adam")
    assert sentence in shown


@pytest.mark.parametrize("values", [[0.9], [0.9, 0.9], [0.9, 0.8], [0.9, 0.9, 0.9]])
def test_there_is_no_interval_of_two_seeds_and_none_that_rounds_to_nothing(values):
    assert "±" not in report(contest(adam=values)).replace("Mean ± its", "")
    assert ("Mean ± its" in report(contest(adam=values))) == (len(values) > 2)


def test_a_target_that_nobody_gave_is_where_the_middle_one_ends():
    made = contest(adam=[0.9], sgd=[0.9], radam=[0.9])
    object.__setattr__(made.task, "target", None)
    assert "where the middle one of these ends" in " ".join(report(made).split())


# What has diverged.


def diverged(accuracy: float, loss: float) -> Contest:
    made = contest(adam=[accuracy], sgd=[accuracy])
    for entry in made.entries:
        fill(made, entry.label, [outcome(accuracy, loss, None if np.isfinite(loss) else 5)])
    return made


@pytest.mark.parametrize("loss", [np.inf, -np.inf, np.nan, 0.0, 3e38, 5e-324])
def test_any_loss_can_be_drawn_and_put_into_the_table(loss, tmp_path):
    made = diverged(0.1, loss)
    draw_curves(tmp_path / "curves.png", made)
    write_page(tmp_path / "report.html", made, About("mytorch", True, 1.0, "thalweg compare"))
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert ("diverged" in report(made)) == (not np.isfinite(loss))


@pytest.mark.parametrize("losses", [[np.inf] * 4, [np.nan] * 4, [0.0] * 4, [1.0, np.nan, 2.0, 0.0]])
def test_any_losses_of_a_training_can_be_drawn(losses, tmp_path):
    plot_losses(tmp_path / "losses.png", losses, 2, "losses")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_rate_that_nothing_survives_ends_in_a_table_and_a_picture(tmp_path):
    outcome = run_thalweg(*QUICK[:3], "sgd=1e308", *QUICK[4:], cwd=tmp_path, folder=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "diverged" in outcome.stdout
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == FILES
