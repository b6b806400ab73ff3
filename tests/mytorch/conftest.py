"""A file for a training, and a training that is saved in it."""

import pytest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.safetensors"


@pytest.fixture
def saved(path):
    from tests.mytorch.trainings import Training  # skips what asks for it without safetensors
    from thalweg.mytorch.checkpoint import save

    training = Training(1)
    training.run(1)
    save(path, *training.parts)
    return training
