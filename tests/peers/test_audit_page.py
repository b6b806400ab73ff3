"""docs/audit.md is of the table and of the versions that are installed."""

import pytest

from scripts.audit import PAGE, main
from tests.peers.packages import version_of
from tests.peers.rows import ROWS

pytest.importorskip("pytorch_optimizer", reason="the group peers is not installed: make peers")


@pytest.mark.parametrize("row", [row for row in ROWS if row.differs], ids=str)
def test_what_differs_stands_on_the_page_with_its_version_and_its_step(row):
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if row.differs in line]
    assert [one for one in lines if one.startswith(f"| {version_of(row.place)} |")] != []
    assert all(f"| {row.from_step} |" in one for one in lines)


def test_every_package_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    assert [row.place for row in ROWS if f"| {version_of(row.place)} |" not in text] == []


def test_the_script_takes_no_arguments(tmp_path):
    assert main(["--fast"], tmp_path / "page.md") == 2
    assert not (tmp_path / "page.md").exists()
