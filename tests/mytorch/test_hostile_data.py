"""Data files cut off, swapped, huge, packed a thousandfold or of another kind: a sentence, soon."""

import gzip
import os
import re
import struct
import tracemalloc

import numpy as np
import pytest

from thalweg.mytorch.data import csv, mnist

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(*shape: int, content: bytes | None = None) -> bytes:
    """An IDX file of bytes; `content` in place of as many zeros as its header promises."""
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + (bytes(int(np.prod(shape))) if content is None else content)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / IMAGES).write_bytes(idx(3, 2, 2))
    (tmp_path / LABELS).write_bytes(idx(3))
    return tmp_path


def attempt(read):
    """The inputs that were read and no words, or nothing and what was said."""
    try:
        return read().arrays[0], ""
    except ValueError as error:
        return None, str(error)


def refused(folder, name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        mnist(folder)
    assert str(caught.value).startswith(f"mnist: {folder / name}")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_unpacked_no_further_than_promised(
    folder,
):
    (folder / IMAGES).unlink()
    packed = gzip.compress(idx(3, 2, 2) + bytes(200_000_000), 1)
    assert len(packed) < 2_000_000
    (folder / f"{IMAGES}.gz").write_bytes(packed)
    tracemalloc.start()
    try:
        refused(folder, f"{IMAGES}.gz", "must have 3 x 2 x 2 = 12 bytes after its header, got more")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_promises_more_than_there_is_anywhere_is_refused(pack, folder):
    (folder / IMAGES).write_bytes(pack(idx(2**32 - 1, 2**32 - 1, 2**32 - 1, content=b"1234")))
    refused(folder, IMAGES, "must have no more than 2147483648 bytes, but its header promises")


def test_a_file_with_a_hole_of_a_terabyte_is_refused_by_its_header(folder):
    with (folder / IMAGES).open("r+b") as file:
        file.truncate(2**40)
    refused(folder, IMAGES, "must have 3 x 2 x 2 = 12 bytes after its header, got more")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_a_file_cut_off_anywhere_is_refused(pack, name, folder):
    whole = pack((folder / name).read_bytes())
    for size in range(len(whole)):
        (folder / name).write_bytes(whole[:size])
        refused(folder, name, ".")
    (folder / name).write_bytes(whole)
    mnist(folder)


def test_a_packed_file_with_a_turned_bit_is_refused_or_unpacks_to_the_same(folder):
    plain = idx(3, 2, 2, content=bytes(range(12)))
    whole = gzip.compress(plain, mtime=0)
    want = np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2) / np.float32(255)
    for bit in range(8 * len(whole)):
        spoiled = bytearray(whole)
        spoiled[bit // 8] ^= 1 << bit % 8
        (folder / IMAGES).write_bytes(spoiled)
        found, said = attempt(lambda: mnist(folder))
        assert said.startswith(f"mnist: {folder / IMAGES}") or np.array_equal(found, want)


def test_swapped_files_are_told_apart(folder):
    images, labels = (folder / IMAGES).read_bytes(), (folder / LABELS).read_bytes()
    (folder / IMAGES).write_bytes(labels)
    refused(folder, IMAGES, "must be an IDX file of images, .* these are labels")
    (folder / IMAGES).write_bytes(images)
    (folder / LABELS).write_bytes(images)
    refused(folder, LABELS, "must be an IDX file of labels, .* these are images")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_no_file_and_is_not_waited_for(folder):
    (folder / IMAGES).unlink()
    os.mkfifo(folder / IMAGES)
    with pytest.raises(FileNotFoundError, match=f"must have a file {IMAGES}"):
        mnist(folder)
    os.mkfifo(folder / "table.csv")
    with pytest.raises(FileNotFoundError, match="csv: there must be a file at"):
        csv(folder / "table.csv", "a")


# Tables.


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"delimiter": "xx"}, ValueError, "delimiter must be one character, .* got 'xx'"),
        ({"delimiter": ""}, ValueError, "delimiter must be one character, .* got ''"),
        ({"delimiter": "\n"}, ValueError, r"delimiter must be one character, .* got '\\n'"),
        ({"delimiter": '"'}, ValueError, "delimiter must be one character, .* got '\"'"),
        ({"delimiter": None}, TypeError, "delimiter must be one character, got None"),
        ({"delimiter": 3}, TypeError, "delimiter must be one character, got 3"),
        ({"delimiter": b","}, TypeError, "delimiter must be one character, got b','"),
        ({"target": 3}, TypeError, "target must be the name of a column, got 3"),
        ({"target": None}, TypeError, "target must be the name of a column, got None"),
        ({"path": 0}, TypeError, "path must be the name of a file, got 0"),
        ({"path": None}, TypeError, "path must be the name of a file, got None"),
        ({"path": "/dev/zero"}, FileNotFoundError, "there must be a file at /dev/zero"),
        ({"path": "."}, FileNotFoundError, r"there must be a file at \."),
    ],
)
def test_an_argument_that_cannot_be_meant_is_said(arguments, error, sentence, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    given = {"path": tmp_path / "table.csv", "target": "b", **arguments}
    with pytest.raises(error, match=f"^csv: {sentence}"):
        csv(given.pop("path"), given.pop("target"), **given)


@pytest.mark.parametrize("delimiter", [";", "\t", " ", "|", "§"])
def test_any_other_character_separates(delimiter, tmp_path):
    (tmp_path / "table.csv").write_text(f"a{delimiter}b\n1{delimiter}2\n", encoding="utf-8")
    assert csv(tmp_path / "table.csv", "b", delimiter=delimiter).arrays[1].tolist() == [2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"a,b",
        b"a,b\n1",
        b"a,b\n1,2,3\n",
        b"a,a\n1,2\n",
        b"a,b\n1,nan\n",
        b"a,b\n1,1e400\n",
        b"a,b\n1,inf\n",
        b"a,b\n1,1_0\n",
        b"a,b\n1,0x10\n",
        b"a,b\n1,\xff\n",
        b"\xff\xfea\0,\0b\0",
        b"a,b\n1,\0\n",
        b'a,b\n1,"' + b"9" * 200_000,
        b'a,b\n"' + b"1,2\n" * 200_000,
        b"a,b\n1," + b"9" * 5000 + b"\n",
        b"a,b\n1," + b"x" * 100_000 + b"\n",
        b",".join(b"c%d" % i for i in range(20_000)) + b"\n1\n",
        b"b" * 200_000 + b",a\n1,2\n",
        b"PK\x03\x04" + bytes(100),
        gzip.compress(b"a,b\n1,2\n", mtime=0),
        b"a,b\n" + b"[" * 50_000 + b",1\n",
    ],
)
def test_a_table_that_is_none_is_refused_in_a_sentence_that_can_be_read(content, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^csv: {re.escape(str(path))}") as caught:
        csv(path, "b")
    assert len(str(caught.value)) < len(str(path)) + 600


def test_a_table_cut_off_anywhere_is_refused_or_a_shorter_table(tmp_path):
    path = tmp_path / "table.csv"
    whole = b"a,b\n1.5,2\n3.5,4\n"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found, said = attempt(lambda: csv(path, "b"))
        assert said.startswith(f"csv: {path}") or found.tolist() in ([[1.5]], [[1.5], [3.5]])
