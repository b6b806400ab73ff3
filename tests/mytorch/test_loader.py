"""Batches of anything: dicts, pairs of pairs, samplers, and torch's other arguments."""

from collections import namedtuple
from itertools import cycle

import numpy as np
import pytest

from thalweg.mytorch import Tensor, manual_seed
from thalweg.mytorch.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

NUMBERS = TensorDataset(np.arange(10))
Named = namedtuple("Named", "image label")


class Items(Dataset):
    """What a function makes of each number below 4."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.make(index)


def first(make, **options):
    return next(iter(DataLoader(Items(make), 2, **options)))


def numbers(loader) -> list[list[int]]:
    return [batch[0].data.tolist() for batch in loader]


def test_an_item_that_is_a_dict_becomes_a_batch_that_is_one():
    batch = first(lambda i: {"image": np.full((2, 2), i), "label": i, "name": f"n{i}"})
    assert list(batch) == ["image", "label", "name"]
    assert isinstance(batch["image"], Tensor)
    assert batch["image"].shape == (2, 2, 2)
    assert batch["label"].data.tolist() == [0, 1]
    assert batch["name"] == ["n0", "n1"]


def test_items_keep_the_form_they_have_however_deep():
    batch = first(lambda i: {"pair": (i, [np.ones(3), {"deep": 2.0 * i}])})
    assert isinstance(batch["pair"], tuple)
    assert batch["pair"][0].data.tolist() == [0, 1]
    assert batch["pair"][1][0].shape == (2, 3)
    assert batch["pair"][1][1]["deep"].data.tolist() == [0, 2]
    named = first(lambda i: Named(np.ones(2), i))
    assert type(named) is Named
    assert named.label.data.tolist() == [0, 1]
    assert first(lambda i: Tensor(np.full(2, i))).data.tolist() == [[0, 0], [1, 1]]


def test_a_transform_of_a_dict_is_given_the_dict():
    batch = first(lambda i: {"x": i}, transform=lambda batch: {"x": batch["x"] * 10})
    assert batch["x"].data.tolist() == [0, 10]


def test_collate_fn_makes_the_batch_and_it_is_handed_on_as_it_is():
    assert first(lambda i: i, collate_fn=lambda items: items) == [0, 1]
    padded = first(
        lambda i: np.ones(i + 1),
        collate_fn=lambda items: default_collate([np.pad(x, (0, 4 - len(x))) for x in items]),
    )
    assert padded.data.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]


def test_a_list_is_a_dataset():
    loader = DataLoader([(np.ones(2), i) for i in range(3)], batch_size=2)
    assert [labels.data.tolist() for _, labels in loader] == [[0, 1], [2]]
    assert [len(part) for part in random_split(list(range(10)), [0.5, 0.5])] == [5, 5]
    assert Subset(["a", "b", "c"], [2, 0])[0] == "c"


def test_datasets_stand_behind_each_other():
    both = NUMBERS + TensorDataset(np.arange(10, 13))
    assert isinstance(both, ConcatDataset)
    assert len(both) == 13
    assert [int(both[i][0]) for i in (0, 9, 10, 12, -1)] == [0, 9, 10, 12, 12]
    assert numbers(DataLoader(both, 5)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12]]
    with pytest.raises(IndexError, match="there are 13 items, none is number 13"):
        both[13]


def test_a_sampler_says_which_items_come():
    loader = DataLoader(NUMBERS, 2, sampler=[3, 1, 4, 1, 5])
    assert numbers(loader) == [[3, 1], [4, 1], [5]]
    assert len(loader) == 3
    assert numbers(DataLoader(NUMBERS, 2, sampler=[3, 1, 4], drop_last=True)) == [[3, 1]]
    assert numbers(DataLoader(NUMBERS, 5, sampler=SequentialSampler(NUMBERS)))[1] == [5, 6, 7, 8, 9]


def test_a_batch_sampler_says_what_is_in_each_batch():
    loader = DataLoader(NUMBERS, batch_sampler=[[1], [2, 3], [9, 0, 4]])
    assert numbers(loader) == [[1], [2, 3], [9, 0, 4]]
    assert len(loader) == 3
    sampler = BatchSampler(SequentialSampler(NUMBERS), 4)
    assert numbers(DataLoader(NUMBERS, batch_sampler=sampler)) == numbers(DataLoader(NUMBERS, 4))
    assert len(BatchSampler(range(10), 4, drop_last=True)) == 2
    assert list(BatchSampler(range(5), 2, drop_last=True)) == [[0, 1], [2, 3]]


def test_without_a_batch_size_items_come_one_by_one():
    items = list(DataLoader(TensorDataset(np.arange(6).reshape(3, 2)), batch_size=None))
    assert [item[0].data.tolist() for item in items] == [[0, 1], [2, 3], [4, 5]]
    assert len(DataLoader(NUMBERS, None)) == 10


def test_random_samplers_follow_manual_seed():
    def drawn(sampler):
        manual_seed(3)
        return list(sampler)

    for sampler in (
        RandomSampler(NUMBERS),
        RandomSampler(NUMBERS, replacement=True, num_samples=25),
        RandomSampler(NUMBERS, num_samples=25),
        SubsetRandomSampler([2, 4, 6]),
        WeightedRandomSampler([0, 1, 3], 20),
    ):
        found = drawn(sampler)
        assert drawn(sampler) == found
        assert len(found) == len(sampler)
    assert sorted(RandomSampler(NUMBERS)) == list(range(10))
    assert sorted(list(RandomSampler(NUMBERS, num_samples=20))[:10]) == list(range(10))
    assert sorted(SubsetRandomSampler([2, 4, 6])) == [2, 4, 6]


def test_weights_say_how_often_an_item_is_drawn():
    manual_seed(0)
    drawn = np.bincount(list(WeightedRandomSampler(np.array([0, 1, 3.0]), 4000)), minlength=3)
    assert drawn[0] == 0
    assert drawn[2] / drawn[1] == pytest.approx(3, rel=0.15)
    once = WeightedRandomSampler([0, 1, 3], 2, replacement=False)
    assert sorted(once) == [1, 2]


def test_the_seed_of_an_order_comes_from_the_generator_given():
    orders = [
        numbers(DataLoader(NUMBERS, 10, shuffle=True, generator=np.random.default_rng(seed)))
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_torchs_arguments_stand_in_torchs_order_and_are_taken_at_their_defaults():
    loader = DataLoader(
        NUMBERS, 4, False, None, None, 0, None, False, True, 0, None, None, None,
        prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True,
    )  # fmt: skip
    assert numbers(loader) == [[0, 1, 2, 3], [4, 5, 6, 7]]


class Endless:
    def __iter__(self):
        return cycle(range(3))


def test_a_sampler_may_never_end():
    batches = iter(DataLoader(NUMBERS, 2, sampler=Endless()))
    assert [next(batches)[0].data.tolist() for _ in range(3)] == [[0, 1], [2, 0], [1, 2]]


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (
            lambda: DataLoader(NUMBERS, num_workers=2),
            ValueError,
            "num_workers must be 0, got 2: myt",
        ),
        (lambda: DataLoader(NUMBERS, pin_memory=True), ValueError, "pin_memory must be False, got"),
        (
            lambda: DataLoader(NUMBERS, persistent_workers=True),
            ValueError,
            "persistent_workers mus",
        ),
        (lambda: DataLoader(NUMBERS, timeout=3), ValueError, "timeout must be 0, got 3"),
        (
            lambda: DataLoader(NUMBERS, shuffle=True, generator=3),
            TypeError,
            "must be a NumPy Gener",
        ),
        (
            lambda: DataLoader(NUMBERS, shuffle=True, sampler=[1]),
            ValueError,
            "shuffle must be Fals",
        ),
        (lambda: DataLoader(NUMBERS, 2, batch_sampler=[[1]]), ValueError, "must not be given"),
        (lambda: DataLoader(NUMBERS, None, drop_last=True), ValueError, "no batches for drop_last"),
        (
            lambda: DataLoader({"a": 1}),
            TypeError,
            "dataset must be a Dataset, or a list .* got dict",
        ),
        (
            lambda: DataLoader(iter([1])),
            TypeError,
            "a length and items by number, got list_iterato",
        ),
        (
            lambda: len(DataLoader(NUMBERS, 2, sampler=Endless())),
            TypeError,
            "Endless has no length",
        ),
        (
            lambda: first(lambda i: {"a": 1} if i else {"b": 1}),
            ValueError,
            r"^Items: every item must have the keys \['b'\], got \['a'\]",
        ),
        (
            lambda: next(iter(DataLoader([{"b": 1}, {"a": 1}], 2))),
            ValueError,
            r"^DataLoader: every item must have the keys \['b'\], got \['a'\]",
        ),
        (
            lambda: first(lambda i: {"a": (1, np.ones(i + 1))}),
            ValueError,
            r"must have one shape, got \(1,\) and \(2,\) in item\['a'\]\[1\]",
        ),
        (lambda: first(lambda i: (1,) * (i + 1)), ValueError, r"as many parts, got \[1, 2\]"),
        (
            lambda: first(lambda i: object()),
            TypeError,
            "an item must be an array.* got object; for",
        ),
        (lambda: first(lambda i: {"a": None}), TypeError, r"got NoneType in item\['a'\]; for any"),
        (lambda: ConcatDataset([]), ValueError, "there must be at least one dataset"),
        (
            lambda: WeightedRandomSampler([-1, 2], 3),
            ValueError,
            "one number of at least 0 for each",
        ),
        (
            lambda: WeightedRandomSampler([0, 1], 2, False),
            ValueError,
            "at most the 1 items that hav",
        ),
        (
            lambda: RandomSampler(NUMBERS, num_samples=0),
            ValueError,
            "num_samples must be a whole num",
        ),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
