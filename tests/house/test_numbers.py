"""The tables of times are those of the files that the benchmarks have written."""

import re

import pytest

from scripts.write_numbers import PAGES, RESULTS, TABLES, written


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + "/" + page.name)
def test_the_tables_of_a_page_are_those_of_the_files(page):
    text = page.read_text(encoding="utf-8")
    assert re.search("<!-- numbers: ", text)
    assert text == written(text), "python scripts/write_numbers.py"


def test_a_number_that_was_typed_is_found():
    text = PAGES[0].read_text(encoding="utf-8")
    name = re.search(r"<!-- numbers: (\w+) -->", text)[1]
    typed = f"<!-- numbers: {name} -->\n| 1.23 |\n<!-- end -->"
    assert "1.23 |" not in written(typed).replace("| 1.23 | ", "")
    assert written(typed) in text


def test_an_unknown_table_is_a_sentence():
    with pytest.raises(SystemExit, match="a table must be one of"):
        written("<!-- numbers: nothing -->\n<!-- end -->")


def test_every_table_stands_on_a_page_where_its_file_is_there():
    shown = {name for page in PAGES for name in re.findall(r"numbers: (\w+)", page.read_text())}
    files = {path.stem for path in RESULTS.glob("*.json")}
    assert shown == {name for name, (file, _) in TABLES.items() if file in files}
