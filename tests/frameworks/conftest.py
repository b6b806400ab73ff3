"""Tests in the frameworks' own environment (`make frameworks`); skipped where one is missing."""

import pytest


@pytest.fixture(autouse=True)
def calm(monkeypatch):
    """No bars, no reports, no look at the network."""
    for name, value in {
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
    }.items():
        monkeypatch.setenv(name, value)
