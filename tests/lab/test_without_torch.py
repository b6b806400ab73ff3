"""Where torch is not installed, all that does without it works, and the rest names it."""

import subprocess
import sys

import pytest


def without_torch(program: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['torch'] = None\n{program}"],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "line",
    [
        "import thalweg.optim",
        "import thalweg.optim as optim",
        "from thalweg.optim import AdamW",
        "from thalweg.optim.lr_scheduler import ScheduleLR",
        "from thalweg.optim.swa_utils import AveragedModel",
    ],
)
def test_what_needs_torch_says_what_to_install(line):
    run = without_torch(line)
    assert run.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: thalweg.optim needs torch: pip install 'thalweg[torch]'"
    )


def test_all_else_is_there():
    names = "thalweg.mytorch, thalweg.mytorch.optim, thalweg.schedules, thalweg.rules, thalweg.lab"
    run = without_torch(f"import thalweg, {names}")
    assert (run.returncode, run.stderr) == (0, "")


def test_who_asks_for_a_missing_torch_may_go_on():
    run = without_torch(
        "try:\n    import thalweg.optim\nexcept ImportError as error:\n    print(error.name)"
    )
    assert (run.stdout, run.stderr) == ("torch\n", "")
