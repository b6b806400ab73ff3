"""What `thalweg` cannot do it says in one sentence, with exit code 2."""

import os
import subprocess
import sys

import pytest

from tests.cases import SUBJECTS
from tests.lab.conftest import run_thalweg
from thalweg.lab import main
from thalweg.optimizers import OPTIMIZERS

FIRST = ", ".join([*OPTIMIZERS][:2])


def refusal(arguments, monkeypatch, capsys) -> str:
    monkeypatch.setattr(sys, "argv", ["thalweg", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    assert said.err.startswith("thalweg: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["adma"], f"no optimizer is called 'adma' (did you mean Adam?); there are {FIRST}"),
        (["quasar"], f"no optimizer is called 'quasar'; there are {FIRST}"),
        (["--lr", "adam=abc"], "Adam: lr must be a number above 0, got 'abc'"),
        (["--lr", "adam=-1"], "Adam: lr must be a number above 0, got '-1'"),
        (["--lr", "adam=0"], "Adam: lr must be a number above 0, got '0'"),
        (["--lr", "adam=nan"], "Adam: lr must be a number above 0, got 'nan'"),
        (["--lr", "adam=inf"], "Adam: lr must be a number above 0, got 'inf'"),
        (["--lr", "adam="], "Adam: lr must be a number above 0, got ''"),
        (["--lr", "0.1"], "--lr must be NAME=VALUE, such as Adam=0.003, got '0.1'"),
        (["--lr", "adm=1"], "no optimizer is called 'adm' (did you mean Adam?)"),
        (["sgd", "--lr", "adam=1"], "--lr adam=1: Adam is not in this comparison of SGD"),
        (["--lr", "adam=1", "--lr", "Adam=2"], "Adam already has the learning rate 1"),
        (["lbfgs"], "LBFGS cannot take part: it asks for the loss several times in a step"),
        (["muon"], "Muon cannot take part: it moves matrices only"),
        (["--out", ""], "--out must be the path of a folder, got ''"),
        (["--name", ""], "--name must be one plain name, got ''"),
        (["--lr", ""], "--lr must be NAME=VALUE, such as Adam=0.003, got ''"),
        (["--backend", ""], "--backend must be mytorch or torch, got ''"),
        ([""], "no optimizer is called ''"),
        (["SparseAdam"], "SparseAdam cannot take part: it is for the sparse gradients"),
        (["--backend", "numpy"], "--backend must be mytorch or torch, got 'numpy'"),
        (["--seeds", "0"], "--seeds"),
        (["--epochs", "many"], "--epochs"),
        (["--batch-size", "-3"], "--batch-size"),
        (["--sedes", "3"], "No such option: --sedes"),
        (["--name", "a/b"], "--name must be one plain name, got 'a/b'"),
        (["--name", ".."], "--name must be one plain name, got '..'"),
        (["--name", "a", "--out", "b"], "--name and --out both say where to write"),
    ],
)
def test_a_bad_request_is_refused(arguments, sentence, monkeypatch, capsys):
    assert sentence in refusal(["compare", *arguments], monkeypatch, capsys)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_in_the_place_of_a_file_is_found_before_any_training(tmp_path, monkeypatch, capsys):
    os.mkfifo(tmp_path / "results.json")
    said = refusal(["compare", "--out", str(tmp_path)], monkeypatch, capsys)
    assert f"cannot write {tmp_path}/results.json: what is no file is in the way" in said


def test_a_mistyped_command_is_refused_with_the_right_one(monkeypatch, capsys):
    assert "Did you mean 'compare'?" in refusal(["comapre"], monkeypatch, capsys)


def test_a_folder_that_cannot_be_written_is_found_before_any_training(tmp_path):
    """By a file in its place: permission bits do not stop root."""
    (tmp_path / "runs").write_text("not a folder")
    outcome = run_thalweg("compare", cwd=tmp_path)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("thalweg: cannot write to runs/compare-")
    assert outcome.stderr.endswith(": a file is in the way\n")


def test_a_folder_in_the_place_of_a_file_is_found_before_any_training(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "curves.png").mkdir()
    said = refusal(["compare", "--out", str(tmp_path)], monkeypatch, capsys)
    assert f"cannot write {tmp_path}/curves.png: a folder is in the way" in said


@pytest.mark.parametrize("package", ["typer", "sklearn", "threadpoolctl"])
def test_without_the_lab_extra_it_says_what_to_install(package):
    code = f"import sys; sys.modules[{package!r}] = None; import thalweg.lab; thalweg.lab.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    sentence = f"thalweg: the command line needs {package}: pip install 'thalweg[lab]'\n"
    assert (done.returncode, done.stderr) == (2, sentence)


def test_without_torch_its_backend_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; import thalweg.lab; "
        "sys.argv[1:] = ['compare', '--backend', 'torch']; thalweg.lab.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    sentence = "thalweg: --backend torch needs torch: pip install 'thalweg[torch]'\n"
    assert (done.returncode, done.stderr) == (2, sentence)
    assert not list(tmp_path.iterdir())


def test_help_fits_80_columns_and_names_every_option(tmp_path):
    outcome = run_thalweg("compare", "--help", cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    for option in ("--lr", "--seeds", "--epochs", "--batch-size", "--backend", "--name", "--out"):
        assert option in outcome.stdout
    assert "mytorch or torch" in " ".join(outcome.stdout.split())


def test_every_optimizer_takes_part_or_it_is_said_why_not(monkeypatch, capsys):
    pytest.importorskip("torch")
    from thalweg import optim

    kinds = [name for name in optim.__all__ if isinstance(getattr(optim, name), type)]
    names = [name for name in kinds if not name.endswith("Optimizer")]
    for_sparse = [one.name for one in SUBJECTS if one.is_for_sparse]
    assert "LBFGS" in names
    for name in names:
        if name not in OPTIMIZERS or name in for_sparse:
            said = refusal(["compare", name], monkeypatch, capsys)
            assert f"{name} cannot take part: " in said
