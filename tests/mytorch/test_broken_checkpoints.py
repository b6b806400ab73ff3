"""Checkpoints with a right checksum and wrong content, and files that are none: each refusal names
the file and what is wrong, and nothing changes."""

import json
import re
import struct

import numpy as np
import pytest

pytest.importorskip("safetensors")

from safetensors.numpy import save_file

from tests.mytorch.trainings import Training, assert_all_same
from thalweg.mytorch.checkpoint import load, save
from thalweg.mytorch.checkpoint_file import _checksum, read_file


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What a whole checkpoint holds: arrays and metadata."""
    training = Training(1)
    training.run(1)
    path = tmp_path_factory.mktemp("whole") / "training.safetensors"
    save(path, *training.parts)
    return *read_file(path), path.read_bytes()


class Broken:
    """A checkpoint to be spoiled in memory; its checksum is made anew."""

    def __init__(self, tensors, metadata):
        self.tensors, self.metadata = dict(tensors), dict(metadata)

    def part(self, name, **entries):
        """Change what a part holds; a key may be a path such as `numbers/0`."""
        self.metadata[name] = json.dumps(changed(json.loads(self.metadata[name]), entries))

    def write(self, path):
        self.metadata["crc32"] = _checksum(self.tensors, self.metadata)
        save_file(self.tensors, path, self.metadata)


GONE = object()


def changed(whole, entries):
    for place, value in entries.items():
        *above, last = [int(key) if key.isdigit() else key for key in place.split("__")]
        inner = whole
        for key in above:
            inner = inner[key if isinstance(inner, list) else str(key)]
        last = last if isinstance(inner, list) else str(last)
        if value is GONE:
            del inner[last]
        else:
            inner[last] = value
    return whole


def optimizer(**entries):
    return lambda broken: broken.part("optimizer", **entries)


def scheduler(**entries):
    return lambda broken: broken.part("scheduler", **entries)


def loader(**entries):
    return lambda broken: broken.part("loader", **entries)


def metadata(**entries):
    return lambda broken: broken.metadata.update(entries)


def array(name, value=None, new=None):
    """Another array under a name, or the same one under another."""

    def spoil(broken):
        old = broken.tensors.pop(name)
        broken.tensors[new or name] = old if value is None else value

    return spoil


NESTED = "[" * 100_000 + "]" * 100_000
ONES = np.ones((8, 6), np.float32)

# what is done to the file, and a part of what is said of it
FAULTS = {
    "format 99": (metadata(format="thalweg.mytorch 99"), "must be of the format"),
    "format 1 in letters": (metadata(format="thalweg.mytorch one"), "must be of the format"),
    "no random numbers": (lambda b: b.metadata.pop("random"), "holds no random"),
    "random numbers of another kind": (metadata(random='{"bit_generator": "x"}'), "get_rng_state"),
    "random numbers that are a list": (metadata(random="[1]"), "its random must be a dict"),
    "random numbers beyond 128 bits": (
        lambda b: b.part("random", state__state=2**200),
        "get_rng_state|cannot be used",
    ),
    "random numbers below 0": (
        lambda b: b.part("random", state__state=-1),
        "get_rng_state|cannot be used",
    ),
    "no optimizer": (lambda b: b.metadata.pop("optimizer"), "holds no optimizer"),
    "an optimizer that is no JSON": (metadata(optimizer="{"), "its optimizer must be JSON"),
    "an optimizer of deep brackets": (metadata(optimizer=NESTED), "its optimizer must be JSON"),
    "an optimizer that is a number": (metadata(optimizer="3"), "its optimizer must be a dict"),
    "an integer of 10,000 digits": (metadata(optimizer="1" * 10_000), "its optimizer must be"),
    "an optimizer of another class": (optimizer(**{"class": "SGD"}), "holds the state of SGD"),
    "an optimizer of no class": (optimizer(**{"class": GONE}), "its optimizer's class must be"),
    "a class that is a number": (optimizer(**{"class": 3}), "its optimizer's class must be"),
    "no numbers": (optimizer(numbers=GONE), "optimizer's numbers must be a dict"),
    "numbers in a list": (optimizer(numbers=[1]), "optimizer's numbers must be a dict"),
    "numbers of a parameter named a": (optimizer(numbers__a={}), "numbers must be a dict of the"),
    "numbers of parameter 1e3": (optimizer(numbers={"1e3": {}}), "numbers must be a dict of the"),
    "numbers of an endless parameter": (optimizer(numbers={"9" * 5000: {}}), "numbers must be"),
    "a number in place of a state": (optimizer(numbers__0=5), "numbers must be a dict of the"),
    "numbers of a seventh parameter": (optimizer(numbers__6={"step": 1}), r"states must be .* \[6"),
    "no step": (optimizer(numbers__0__step=GONE), "parameter 0: .* must have 'step' too"),
    "no state of one parameter but its moments": (
        optimizer(numbers__0=GONE),
        "parameter 0: .* must have 'step'",
    ),
    "a step in words": (optimizer(numbers__0__step="3"), "'step' must be a whole number .* '3'"),
    "a step in a list": (optimizer(numbers__0__step=[3, 4]), "'step' must be a whole number"),
    "a step in brackets": (optimizer(numbers__0__step=[[], [1]]), "step"),
    "a step that is true": (optimizer(numbers__0__step=True), "'step' must be a whole number"),
    "a step below 0": (optimizer(numbers__0__step=-3.0), "'step' must be a whole number"),
    "half a step": (optimizer(numbers__0__step=2.5), "'step' must be a whole number .* 2.5"),
    "an infinite step": (optimizer(numbers__0__step=float("inf")), "'step' must be a whole"),
    "a step that is not a number": (optimizer(numbers__0__step=float("nan")), "'step' must be a"),
    "a step beyond counting": (optimizer(numbers__0__step=1e30), "'step' must be a whole number"),
    "no groups": (optimizer(param_groups=GONE), "param_groups must be a list"),
    "an empty list of groups": (optimizer(param_groups=[]), "param_groups must be a list"),
    "groups in a dict": (optimizer(param_groups={"0": {}}), "param_groups must be a list"),
    "a group in words": (optimizer(param_groups__0="all"), "its group must be a dict, got 'all'"),
    "two groups of one parameter": (
        optimizer(param_groups=[{"params": [0]}, {"params": [0]}]),
        "each in one group",
    ),
    "a group without parameters": (optimizer(param_groups__0__params=GONE), "group's params must"),
    "parameters in words": (optimizer(param_groups__0__params=["a"]), "group's params must be"),
    "fewer parameters": (optimizer(param_groups__0__params=[0]), "param_names must be a name"),
    "a parameter twice": (optimizer(param_groups__0__params=[0] * 6), "each in one group"),
    "names in a dict": (optimizer(param_groups__0__param_names={}), "param_names must be a name"),
    "names in numbers": (optimizer(param_groups__0__param_names=[1] * 6), "param_names must be a"),
    "a rate below 0": (optimizer(param_groups__0__lr=-1.0), "lr must be >= 0, got -1.0"),
    "a rate in words": (optimizer(param_groups__0__lr="fast"), "lr must be a number, got 'fast'"),
    "a rate that is none": (optimizer(param_groups__0__lr=None), "lr must be a number, got None"),
    "a rate that is not a number": (optimizer(param_groups__0__lr=float("nan")), "lr must be >= 0"),
    "one beta": (optimizer(param_groups__0__betas=[0.9]), "betas must be 2 numbers"),
    "a beta of 2": (optimizer(param_groups__0__betas=[0.9, 2.0]), r"betas\[1\] must be"),
    "an average of another kind": (optimizer(param_groups__0__average="mean"), "average must be"),
    "a decay filter of numbers": (optimizer(param_groups__0__decay_filter=5), "decay_filter must"),
    "a decay filter too short": (optimizer(param_groups__0__decay_filter=[True]), "decay_filter"),
    "a moment of another parameter": (
        array("optimizer:0:exp_avg", new="optimizer:1:exp_avg2"),
        "parameter 0: .* must have 'exp_avg'",
    ),
    "a moment filed under the next number": (
        array("optimizer:0:exp_avg", new="optimizer:1:exp_avg"),
        "parameter 0: .* must have 'exp_avg'|exp_avg' must be .* shape",
    ),
    "a moment filed under no number": (
        array("optimizer:0:exp_avg", new="optimizer:x:exp_avg"),
        "its array must be named optimizer:number:key",
    ),
    "a moment filed under half a name": (
        array("optimizer:0:exp_avg", new="optimizer:0"),
        "its array must be named optimizer:number:key",
    ),
    "a moment of a seventh parameter": (
        array("optimizer:0:exp_avg", new="optimizer:6:exp_avg"),
        r"states must be .* \[6\]",
    ),
    "a moment of another shape": (array("optimizer:0:exp_avg", ONES.T.copy()), "exp_avg' must be"),
    "a moment of integers": (array("optimizer:0:exp_avg", ONES.astype(int)), "exp_avg' must be"),
    "no weight": (array("0.weight", new="weight"), "the state lacks 0.weight and has weight"),
    "a weight of another shape": (array("0.weight", ONES.T.copy()), "0.weight must have shape"),
    "a weight of complex numbers": (array("0.weight", ONES.astype("c8")), "0.weight must be float"),
    "no scheduler": (lambda b: b.metadata.pop("scheduler"), "holds no scheduler"),
    "a scheduler of another class": (scheduler(**{"class": "X"}), "holds the state of X, but"),
    "a scheduler without a state": (scheduler(state=GONE), "Scheduler: the state must be"),
    "a scheduler whose state is a list": (scheduler(state=[1]), "Scheduler: the state must be"),
    "a scheduler of half a step": (scheduler(state__last_epoch=1.5), "last_epoch must be"),
    "a scheduler before its start": (scheduler(state__last_epoch=-5), "last_epoch must be"),
    "a scheduler at a word": (scheduler(state__last_epoch="x"), "last_epoch must be"),
    "a scheduler past all numbers": (scheduler(state__last_epoch=10**400), "last_epoch must be"),
    "base values in words": (scheduler(state__base_values=["x"]), r"base_values\[0\] must be"),
    "base values not in a list": (scheduler(state__base_values=3), "base_values must be a list"),
    "a base value that is none": (scheduler(state__base_values=[None]), r"base_values\[0\] must"),
    "an infinite base value": (
        scheduler(state__base_values=[float("inf")]),
        r"base_values\[0\] must",
    ),
    "no seed": (loader(seed=GONE), "its loader's seed must be a whole number"),
    "a seed below 0": (loader(seed=-1), "its loader's seed must be a whole number"),
    "a seed in words": (loader(seed="x"), "its loader's seed must be a whole number"),
    "half an epoch": (loader(epoch=0.5), "its loader's epoch must be a whole number"),
    "a loader in a list": (metadata(loader="[]"), "its loader must be a dict"),
}


def refuse(path, sentence) -> None:
    other = Training(2)
    before = other.everything()
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        load(path, *other.parts)
    said = str(caught.value)
    assert said.startswith(f"load: {path}")
    assert re.search(sentence, said, re.DOTALL), said
    assert len(said) < len(str(path)) + 800
    assert_all_same(other.everything(), before)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_checkpoint_is_refused_with_its_name_and_changes_nothing(fault, written, tmp_path):
    spoil, sentence = FAULTS[fault]
    broken = Broken(*written[:2])
    spoil(broken)
    path = tmp_path / "broken.safetensors"
    broken.write(path)
    refuse(path, sentence)


def test_what_is_not_spoiled_loads(written, tmp_path):
    Broken(*written[:2]).write(tmp_path / "whole.safetensors")
    load(tmp_path / "whole.safetensors", *Training(2).parts)


@pytest.mark.parametrize(
    ("key", "new", "sentence"),
    [
        ("crc32", "crcf2", "is damaged: its metadata lacks 'crc32'"),
        ("crc32", None, "is damaged: its metadata lacks 'crc32'"),
        ("format", "formaT", "is damaged: its metadata lacks 'format'"),
        ("format", None, "is damaged: its metadata lacks 'format'"),
        ("optimizer", "optimizes", "is damaged: it is not what was saved"),
        ("random", "rando", "is damaged: it is not what was saved"),
    ],
)
def test_a_damaged_key_is_found_also_when_it_is_that_of_the_checksum(
    key, new, sentence, written, tmp_path
):
    tensors, entries, _ = written
    renamed = {new if name == key else name: value for name, value in entries.items()}
    renamed.pop(None, None)
    path = tmp_path / "damaged.safetensors"
    save_file(tensors, path, renamed)
    refuse(path, sentence)


def header(entries) -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def tensor(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        header(b"[" * 5000 + b"]" * 5000),
        header(b'{"a":' * 5000 + b"1" + b"}" * 5000),
        header(b"\xff" * 40),
        header([]) + b"1234",
        header({"a": tensor()}),
        header({"a": tensor(shape=(-1,))}) + b"1234",
        header({"a": tensor(shape=(2**40, 2**40), offsets=(0, 4))}) + b"1234",
        header({"a": tensor(shape=(2**40,), offsets=(0, 2**42))}) + b"1234",
        header({"a": tensor(), "b": tensor()}) + b"1234",
        header({"a": tensor(offsets=(4, 0))}) + b"1234",
        header({"a": tensor(dtype="F8_E4M3", offsets=(0, 1))}) + b"1",
        header({"a": tensor(dtype="complex")}) + b"1234",
        header({"a": tensor(), "__metadata__": {"format": 3}}) + b"1234",
        b"PK\x03\x04" + b"\0" * 60,
        b"\x80\x04\x95" + b"." * 60,
    ],
)
def test_bytes_of_any_kind_are_refused(content, tmp_path):
    path = tmp_path / "bytes.safetensors"
    path.write_bytes(content)
    refuse(path, ".")


def test_a_checkpoint_of_torchs_goes_to_the_model_alone(written, tmp_path):
    """Metadata in other words than ours is nobody's damage."""
    tensors = {k: v for k, v in written[0].items() if not k.startswith("optimizer:")}
    path = tmp_path / "weights.safetensors"
    for words in ({}, {"format": "pt"}, {"format": "np", "optimizer": "adam"}):
        save_file(tensors, path, words)
        load(path, Training(2).model)


@pytest.mark.slow
def test_two_halves_of_two_checkpoints_are_refused(written, tmp_path):
    training = Training(3)
    training.run(2)
    other = tmp_path / "other.safetensors"
    save(other, *training.parts)
    path, theirs = tmp_path / "mixed.safetensors", other.read_bytes()
    for cut in np.linspace(8, min(len(theirs), len(written[2])) - 1, 20).astype(int).tolist():
        path.write_bytes(written[2][:cut] + theirs[cut:])
        refuse(path, "is damaged|is not a whole")
