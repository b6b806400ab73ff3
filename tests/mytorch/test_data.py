"""Datasets, batches, and files that are what they say or are refused."""

import gzip
import struct
import subprocess
import sys
from itertools import chain

import numpy as np
import pytest

from thalweg.mytorch import Tensor, manual_seed
from thalweg.mytorch.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    csv,
    digits,
    mnist,
    random_split,
)


class Squares(Dataset):
    """Written as a user would, item by item."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        return np.full(2, index, np.float32), index**2


class Ragged(Squares):
    def __getitem__(self, index):
        return np.zeros(index + 1)


NUMBERS = TensorDataset(np.arange(10.0).reshape(10, 1), np.arange(10))


def labels_of(loader) -> list[list[int]]:
    return [labels.data.tolist() for _, labels in loader]


def test_a_loader_gives_every_item_in_order():
    loader = DataLoader(NUMBERS, batch_size=4)
    assert labels_of(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    assert labels_of(DataLoader(NUMBERS, 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(DataLoader(NUMBERS, 4, drop_last=True)) == 2
    assert len(DataLoader(NUMBERS)) == 10


def test_a_batch_is_tensors_of_the_arrays_types():
    (values, labels), *_ = DataLoader(NUMBERS, 4)
    assert isinstance(values, Tensor)
    assert (values.shape, values.dtype, labels.dtype) == ((4, 1), np.float64, np.int64)


def test_items_one_by_one_are_stacked():
    (pairs, squares), *_, last = DataLoader(Squares(), 3)
    assert pairs.data.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert (squares.data.tolist(), squares.dtype) == ([0, 1, 4], np.int64)
    assert last[1].data.tolist() == [36]


def test_shuffling_gives_every_item_once_in_an_order_of_seed_and_epoch_alone():
    loader = DataLoader(NUMBERS, 4, shuffle=True, seed=3)
    epochs = [labels_of(loader) for _ in range(3)]
    assert all(sorted(chain(*epoch)) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    again = DataLoader(NUMBERS, 4, shuffle=True, seed=3)
    again.epoch = 2
    assert labels_of(again) == epochs[2]
    assert labels_of(DataLoader(NUMBERS, 4, shuffle=True, seed=4)) != epochs[0]


def test_without_a_seed_the_order_is_that_of_manual_seed():
    orders = []
    for seed in (1, 1, 2):
        manual_seed(seed)
        orders.append(labels_of(DataLoader(NUMBERS, 10, shuffle=True)))
    assert orders[0] == orders[1] != orders[2]


def test_a_transform_is_a_plain_function_of_a_batch():
    def halve(values, labels):
        return values / 2, labels + 1

    (values, labels), *_ = DataLoader(NUMBERS, 4, transform=halve)
    assert values.data[:, 0].tolist() == [0, 0.5, 1, 1.5]
    assert labels.data.tolist() == [1, 2, 3, 4]

    def only_values(values, labels):
        return values

    assert next(iter(DataLoader(NUMBERS, 4, transform=only_values))).shape == (4, 1)


def test_a_random_split_has_every_item_once():
    for lengths in ([7, 3], [0.7, 0.3], [0.65, 0.35, 0.0]):
        parts = random_split(NUMBERS, lengths, seed=0)
        items = [int(part[i][1]) for part in parts for i in range(len(part))]
        assert sorted(items) == list(range(10))
        assert items != list(range(10))
    assert [len(part) for part in random_split(NUMBERS, [0.7, 0.3])] == [7, 3]
    part = random_split(NUMBERS, [4, 6], seed=1)[0]
    assert labels_of(DataLoader(part, 4)) == [part.indices.tolist()]


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: DataLoader(TensorDataset(np.ones((0, 2)))), ValueError, "the dataset is empty"),
        (lambda: DataLoader(NUMBERS, 0), ValueError, "batch_size must be a whole number of at"),
        (
            lambda: DataLoader(NUMBERS, 11, drop_last=True),
            ValueError,
            "drop_last leaves no batch of 11: the dataset has 10 items",
        ),
        (
            lambda: list(DataLoader(Ragged(), 2)),
            ValueError,
            r"Ragged: the items of a batch must have one shape, got \(1,\) and \(2,\)",
        ),
        (lambda: TensorDataset(), ValueError, "there must be at least one array"),
        (lambda: TensorDataset(1.0), ValueError, "a single number has no items"),
        (
            lambda: TensorDataset(np.ones(3), np.ones(2)),
            ValueError,
            "all arrays must be as long, got 3 and 2",
        ),
        (lambda: Subset(NUMBERS, [0, 10]), IndexError, "must lie in 0 to 9, got 10"),
        (lambda: random_split(NUMBERS, [5, 6]), ValueError, "must add up to the dataset's 10"),
        (lambda: random_split(NUMBERS, [11, -1]), ValueError, "lengths must be at least 0"),
        (lambda: Dataset()[0], NotImplementedError, "Dataset has no __getitem__"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()


def test_digits_are_scikit_learns_split_as_in_the_lab():
    pytest.importorskip("sklearn")
    from thalweg.lab.tasks.tables import open_table

    table = open_table("digits")
    parts = [digits().arrays, digits(train=False).arrays]
    for arrays in parts:
        assert [array.dtype for array in arrays] == [np.float32, np.int64]
        assert arrays[0].shape[1:] == (1, 8, 8)
    for ours, lab in zip(parts[1], table.test, strict=True):
        np.testing.assert_array_equal(ours, lab)
    learnt = np.concatenate([table.train.inputs, table.validation.inputs])
    rows = [sorted(map(bytes, images)) for images in (parts[0][0], learnt)]
    assert rows[0] == rows[1]


def test_without_scikit_learn_it_says_what_to_install():
    code = """
import sys
sys.modules["sklearn"] = None
from thalweg.mytorch.data import digits
try:
    digits()
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "digits: the images come with scikit-learn: pip install 'thalweg[lab]'\n"


IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([7, 0, 9], np.uint8)


def idx(array) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """A training set in plain files and a test set in compressed ones."""
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    (tmp_path / "t10k-images.idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:2])))
    (tmp_path / "t10k-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:2])))
    return tmp_path


def test_mnist_reads_plain_and_compressed_files(folder):
    for part, count in ((mnist(folder), 3), (mnist(str(folder), train=False), 2)):
        images, labels = part.arrays
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert images.flags.writeable
        np.testing.assert_array_equal(images, IMAGES[:count, None] / np.float32(255))
        np.testing.assert_array_equal(labels, LABELS[:count])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("images", b"", "must be an IDX file of images, .* got an empty file"),
        ("images", idx(LABELS), "begins with the bytes 0 0 8 3, got 0 0 8 1: these are labels"),
        ("labels", idx(IMAGES), "begins with the bytes 0 0 8 1, got 0 0 8 3: these are images"),
        ("images", b"<html>", "begins with the bytes 0 0 8 3, got 60 104 116 109$"),
        ("images", idx(IMAGES)[:10], "is cut off within its header of 16 bytes"),
        ("images", idx(IMAGES)[:-1], "must have 3 x 4 x 5 = 60 bytes after its header, got 59"),
        ("labels", idx(LABELS) + b"more", "must have 3 = 3 bytes after its header, got more"),
        ("labels", idx(LABELS[:2]), "has 3 images, but .* has 2 labels: there must be as many"),
        ("labels", idx(LABELS + 1), "labels must lie in 0 to 9, got 10 at index 2"),
        ("images", gzip.compress(idx(IMAGES), mtime=0)[:-9], "must be a whole gzip file, but: "),
    ],
)
def test_an_idx_file_that_is_not_what_it_says_is_refused(folder, name, content, sentence):
    (path,) = folder.glob(f"train-{name}*")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as refusal:
        mnist(folder)
    assert str(path) in str(refusal.value)


def test_a_file_named_gz_that_is_not_is_refused(folder):
    (folder / "t10k-images.idx3-ubyte.gz").write_bytes(idx(IMAGES))
    with pytest.raises(ValueError, match=r"idx3-ubyte.gz must be a whole gzip file, but: Not a"):
        mnist(folder, train=False)


def test_a_file_that_is_missing_is_named(folder):
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="must have a file train-labels-idx1-ubyte or"):
        mnist(folder)


def table(tmp_path, text: str, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_table_is_read_by_its_header(tmp_path):
    path = table(tmp_path, '\ufeffheight, "class",weight\r\n1.5,2,-3e1\r\n\r\n4,0,6\r\n')
    features, target = csv(path, target="class").arrays
    assert (features.tolist(), features.dtype) == ([[1.5, -30], [4, 6]], np.float32)
    assert (target.tolist(), target.dtype) == ([2, 0], np.int64)
    features, target = csv(str(path), "height").arrays
    assert (features.tolist(), target.dtype) == ([[2, -30], [0, 6]], np.float32)
    semicolons = table(tmp_path, "a;b\n1;2\n")
    assert csv(semicolons, "b", delimiter=";").arrays[1].tolist() == [2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty: its first line must name the columns"),
        ("a,class\n", "has a header, but no rows below it"),
        ("1,2\n3,4\n", "the first line must name the columns, got numbers: 1, 2"),
        ("a,a,b\n1,2,3\n", r"every column must have a name of its own, got \['a'\]"),
        ("age,clas\n1,2\n", "has no column 'class'; did you mean 'clas'?"),
        ("x,y\n1,2\n", "has no column 'class'; there are x, y"),
        ("class\n1\n", "has no column besides the target 'class'"),
        (
            "a,class\n1,0\nhigh,1\n",
            "line 3, column 'a': every value must be a number .* got 'high'",
        ),
        ("a,class\n1,yes\n", "line 2, column 'class': every value must be a number .* got 'yes'"),
        ("a,class\n,0\n", "line 2, column 'a': every value must be .* but this one is missing"),
        ("a,class\n1e39,0\n", "a number that float32 can hold, got '1e39'"),
        ("a,class\n1_000,0\n", "got '1_000'"),
        ("a,class\nNaN,0\n", "line 2, column 'a': every value must be a number .* got 'NaN'"),
        ("a,class\n1,0,3\n", "line 2: there must be 2 values, as in the header, got 3"),
        ("a,class\n1\n", "line 2: there must be 2 values, as in the header, got 1"),
    ],
)
def test_a_table_that_is_not_all_numbers_is_refused(tmp_path, text, sentence):
    path = table(tmp_path, text)
    with pytest.raises(ValueError, match=sentence) as refusal:
        csv(path, target="class")
    assert f"csv: {path}" in str(refusal.value)


def test_a_table_in_another_encoding_is_refused(tmp_path):
    path = table(tmp_path, "größe,class\n1,2\n", "latin-1")
    with pytest.raises(ValueError, match="must be a table in UTF-8, but: 'utf-8' codec"):
        csv(path, target="class")
