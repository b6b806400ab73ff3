"""The JAX engine without JAX: a sentence, wherever it is asked for."""

import subprocess
import sys

from tests.house.modules import ROOT


def test_without_jax_a_sentence_says_what_to_install():
    code = "import sys; sys.modules['jax'] = None; import thalweg.fuse.jax"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    sentence = "ModuleNotFoundError: thalweg.fuse.jax needs jax: pip install 'thalweg[jax]'"
    assert run.stderr.splitlines()[-1] == sentence
