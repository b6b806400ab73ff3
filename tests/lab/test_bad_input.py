"""What `thalweg` cannot do it says in one sentence, with exit code 2."""

import inspect
import os
import subprocess
import sys

import pytest

from tests.lab.conftest import run_thalweg
from thalweg.lab import main


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
        (["adma"], "no optimizer is called 'adma' (did you mean Adam?); `thalweg list optimizers`"),
        (["quasar"], "no optimizer is called 'quasar'; `thalweg list optimizers` has every name"),
        (["--lr", "adam=abc"], "Adam: lr must be a number above 0, got 'abc'"),
        (["--lr", "adam=-1"], "Adam: lr must be a number above 0, got '-1'"),
        (["--lr", "adam=0"], "Adam: lr must be a number above 0, got '0'"),
        (["--lr", "adam=nan"], "Adam: lr must be a number above 0, got 'nan'"),
        (["--lr", "adam=inf"], "Adam: lr must be a number above 0, got 'inf'"),
        (["--lr", "adam="], "Adam: lr must be a number above 0, got ''"),
        (["--lr", "x"], "--lr must be a number above 0, got 'x'"),
        (["--lr", "1", "--lr", "2"], "--lr 2: all already have the learning rate 1"),
        (["--lr", "adm=1"], "no optimizer is called 'adm' (did you mean Adam?)"),
        (["sgd", "--lr", "adam=1"], "--lr adam=1: Adam is not in this comparison of SGD"),
        (["--lr", "adam=1", "--lr", "Adam=2"], "Adam already has the learning rate 1"),
        (["--out", ""], "--out must be the path of a folder, got ''"),
        (["--name", ""], "--name must be one plain name, got ''"),
        (["--lr", ""], "--lr must be a number above 0, got ''"),
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
        (["ranger(k=)"], "ranger(k=): settings must be NAME=VALUE with commas between"),
        (["ranger(kk=5)"], "Ranger has no setting 'kk' (did you mean k?)"),
        (["adam(betas=3)"], "Adam: betas must be 2 numbers, got 3"),
        (["adam(lr=0..1)"], "Adam: lr must be a number above 0, got 0"),
        (["sgd(lr=3..1)"], "a range must be LOW..HIGH, got 3..1"),
        (["adam(eps=1e-9..1e-7)"], "eps is a range, which is searched with --tune N"),
        (["no.such:Adam"], "optimizer no.such:Adam: no package called no is installed"),
        (["math:Adam"], "optimizer math:Adam: math has no 'Adam'"),
        (["none.py:Rule"], "optimizer none.py:Rule: there is no file none.py"),
        (["--data", "nonsense"], "--data must be one of digits, two-moons, csv:PATH"),
        (["--data", "csv:none.csv"], "--data csv:none.csv: there is no file none.csv"),
        (["--data", "npz:none.npz"], "--data npz:none.npz: there is no file none.npz"),
        (["--data", "mnist:none"], "--data mnist:none: there is no folder none"),
        (["--model", "rnn"], "--model must be mlp, cnn or FILE.py:function, got 'rnn'"),
        (["--model", "none.py:task"], "--model none.py:task: there is no file none.py"),
        (["--model", "cnn", "--data", "two-moons"], "--model cnn needs images of 4 by 4"),
        (["--schedule", "cosin(3)"], "no schedule is called 'cosin' (did you mean cosine?)"),
        (["--budget", "soon"], "--budget must be a time such as 90s, 10m or 1.5h, got 'soon'"),
        (["--tune", "1"], "--tune"),
        (["--jobs", "0"], "--jobs"),
        (["--join"], "--join shares the work of a --storage, which must be given"),
        (["--resume"], "--resume goes on with the newest folder runs/compare-*, and there is none"),
    ],
)
def test_a_bad_request_is_refused(arguments, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert sentence in refusal(["compare", *arguments], monkeypatch, capsys)
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize("package", ["typer", "sklearn", "threadpoolctl", "plotly"])
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
    from thalweg.lab.cli import compare

    taken = {name.replace("_", "-") for name in inspect.signature(compare).parameters}
    renamed = {"more": "optimizers", "as-json": "json"}
    for option in taken - {"optimizers"}:
        assert f"--{renamed.get(option, option)}" in outcome.stdout
    assert "mytorch or torch" in " ".join(outcome.stdout.split())


def test_every_command_takes_json_out_and_a_seed():
    import typer

    from thalweg.lab.cli import app

    commands = typer.main.get_command(app).commands
    assert len(commands) > 8
    for name, command in commands.items():
        options = {option for one in command.params for option in one.opts}
        assert {"--json", "--out", "--seed"} <= options, name
