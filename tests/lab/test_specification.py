"""An optimizer as it is typed: what is read, and what is refused in a sentence."""

import pytest

from thalweg.lab.errors import UserError
from thalweg.lab.specification import Range, filled, ranges, read, split


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("ranger", "Ranger", {}),
        (" Ranger ( k=5 ) ", "Ranger", {"k": 5}),
        ("adam(betas=(0.8, 0.99), eps=1e-6)", "Adam", {"betas": (0.8, 0.99), "eps": 1e-6}),
        ("sgd(nesterov=true, momentum=.9)", "SGD", {"nesterov": True, "momentum": 0.9}),
        ("adam(lr=1e-4..1e-1)", "Adam", {"lr": Range(1e-4, 1e-1, "log")}),
        ("adam(lr=1..3)", "Adam", {"lr": Range(1, 3, "log")}),
        ("adam(lr=1.e-4 .. 1.)", "Adam", {"lr": Range(1e-4, 1.0, "log")}),
        ("ranger(k=4..8)", "Ranger", {"k": Range(4, 8, "whole")}),
        ("sgd(momentum=0.5..0.9)", "SGD", {"momentum": Range(0.5, 0.9, "linear")}),
        ("adam(eps=1e-9..1e-6)", "Adam", {"eps": Range(1e-9, 1e-6, "log")}),
        ("torch.optim:AdamW(amsgrad=True)", "torch.optim:AdamW", {"amsgrad": True}),
        ("../mine.py:Rule", "../mine.py:Rule", {}),
        ("dion(others=adamw, others_lr=3e-4)", "Dion", {"others": "adamw", "others_lr": 3e-4}),
    ],
)
def test_what_is_typed_is_read(text, name, settings):
    found = read(text)
    assert (found.name, found.settings) == (name, settings)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("adma", "no optimizer is called 'adma' (did you mean Adam?)"),
        ("adam(0.1)", "a setting must be NAME=VALUE"),
        ("adam(lr=", "an optimizer must be NAME or NAME(SETTING=VALUE, ...), such as ranger(k=5)"),
        ("adam(lr)", "a setting must be NAME=VALUE"),
        ("adam(lr=f(3))", "a value must be a number, a word in quotes, or a range LOW..HIGH"),
        ("adam(lr=__import__('os'))", "a value must be a number, a word in quotes, or a range"),
        ("adam(lr='x')", "Adam: lr must be a number above 0, got 'x'"),
        ("adam(lr=2..1)", "a range must be LOW..HIGH, got 2..1"),
        ("adam(lr=-1..1)", "Adam: lr must be a number above 0, got -1"),
        ("adam(others=sgd)", "Adam has no setting 'others'"),
        ("dion(others=nix)", "Dion: others must be an optimizer class of thalweg or the name"),
        ("dion(others=adam, others_lrr=1)", "Dion has no setting 'others_lrr' (did you mean"),
        ("dion(others=adam, others_lr=-1)", "Dion: others_lr must be >= 0, got -1"),
        ("adam(beta=0.9)", "Adam has no setting 'beta' (did you mean betas?)"),
        ("adam(betas=(0.9..1.5, 0.99))", "Adam: betas[0] must be >= 0 and < 1, got 1.5"),
        ("ranger(k=2.5)", "Ranger: k must be an integer, got 2.5"),
        ("torch.optim:Adam(lr=0)", "torch.optim:Adam: lr must be a number above 0, got 0"),
    ],
)
def test_what_cannot_be_is_refused(text, sentence):
    with pytest.raises(UserError) as found:
        read(text)
    assert sentence in str(found.value)


def test_commas_part_optimizers_and_those_in_brackets_settings():
    texts = ["sgd, adam(betas=(0.9, 0.99), lr=1)", "ranger"]
    assert split(texts) == ["sgd", "adam(betas=(0.9, 0.99), lr=1)", "ranger"]


def test_a_label_says_what_was_given_but_for_the_rate():
    assert read("ranger(lr=0.1)").label == "Ranger"
    assert read("ranger(lr=0.1, k=5, betas=(0.8..0.9, 0.99))").label == (
        "Ranger(k=5, betas=(0.8..0.9, 0.99))"
    )


def test_ranges_go_by_name_and_are_filled_with_what_was_drawn():
    settings = read("adam(lr=1e-3..1, betas=(0.8..0.9, 0.99), eps=1e-8)").settings
    assert set(ranges(settings)) == {"lr", "betas[0]"}
    values = filled(settings, {"lr": 0.1, "betas[0]": 0.85})
    assert values == {"lr": 0.1, "betas": (0.85, 0.99), "eps": 1e-8}


@pytest.mark.parametrize(
    "where", [Range(1e-4, 1.0, "log"), Range(0.5, 0.9, "linear"), Range(4, 8, "whole")]
)
def test_a_range_ends_where_it_says(where):
    assert where.at(0.0) == pytest.approx(where.low)
    assert where.at(1.0) == pytest.approx(where.high)
    for share in (0.1, 0.5, 0.9):
        assert where.low <= where.at(share) <= where.high
        if where.kind != "whole":
            assert where.share(where.at(share)) == pytest.approx(share)


def test_whole_numbers_are_drawn_evenly():
    drawn = [Range(4, 8, "whole").at(i / 1000) for i in range(1000)]
    assert {drawn.count(k) for k in (4, 5, 6, 7, 8)} == {200}
