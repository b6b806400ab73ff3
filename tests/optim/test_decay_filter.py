"""`decay_filter`: which parameters decay, without groups made by hand (pytorch#1402)."""

import copy
import pickle

import pytest
import torch
from torch.nn import Conv2d, Embedding, LayerNorm, Linear, Module, Parameter, Sequential

import thalweg.optim as optim
from tests.optim.runs import (
    APART,
    EVERY,
    OURS,
    TWINS,
    assert_close,
    assert_same,
    give_gradients,
    having,
    numbers,
    ours,
    reloaded,
    torchs,
    values,
    walk,
    weights,
)
from thalweg.optimizers import OPTIMIZERS

DECAYING = having("weight_decay")
# a sum over all is in the order of the groups
DECAYING_APART = [name for name in DECAYING if name in APART]
# SGD has a buffer only where there is momentum; every class decays by as much here
DECAY = {"weight_decay": 0.3}


def model(seed=0) -> Module:
    """Weights of one to four axes, biases, and a bias of two axes."""
    torch.manual_seed(seed)
    made = Sequential(Conv2d(2, 3, 2), Linear(3, 2), LayerNorm(2), Embedding(4, 2)).double()
    made.bias = Parameter(numbers((2, 2), 9))
    made.gain = Parameter(numbers((), 10))
    return made


BY_HAND = {"0.weight", "1.weight", "3.weight"}  # those that decay under no_bias_norm


def by_hand(net: Module, decaying=BY_HAND, weight_decay=0.3) -> list[dict]:
    named = dict(net.named_parameters())
    return [
        {"params": [p for n, p in named.items() if n in decaying], "weight_decay": weight_decay},
        {"params": [p for n, p in named.items() if n not in decaying], "weight_decay": 0.0},
    ]


def run(opt, net, steps=6, start=0) -> list[torch.Tensor]:
    for t in range(start, start + steps):
        give_gradients(net.parameters(), t)
        opt.step()
    return list(net.parameters())


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", [n for n in DECAYING if n in TWINS])
def test_no_bias_norm_is_torch_with_groups_made_by_hand(name):
    net, plain = model(), model()
    opt = ours(name, net.named_parameters(), decay_filter="no_bias_norm", **DECAY)
    assert_close(run(opt, net), run(torchs(name, by_hand(plain)), plain))


@pytest.mark.parametrize("name", DECAYING_APART)
def test_no_bias_norm_is_groups_made_by_hand_bit_for_bit(name):
    net, plain = model(), model()
    opt = ours(name, net.named_parameters(), decay_filter="no_bias_norm", **DECAY)
    assert_same(run(opt, net), run(ours(name, by_hand(plain)), plain))
    assert len(opt.param_groups) == 1


@pytest.mark.parametrize("name", DECAYING_APART)
def test_a_predicate_is_groups_made_by_hand_bit_for_bit(name):
    chosen = {"0.bias", "1.weight", "gain"}
    net, plain = model(), model()
    opt = ours(name, net.named_parameters(), decay_filter=lambda n, p: n in chosen, **DECAY)
    assert_same(run(opt, net), run(ours(name, by_hand(plain, chosen)), plain))


@pytest.mark.parametrize("name", DECAYING)
def test_without_a_filter_everything_decays(name):
    net, plain, filtered = model(), model(), model()
    opts = [ours(name, net.parameters(), **DECAY), ours(name, plain.parameters(), **DECAY)]
    opts[0].param_groups[0].pop("decay_filter")
    for opt, each in zip(opts, (net, plain), strict=True):
        run(opt, each)
    run(ours(name, filtered.parameters(), decay_filter="no_bias_norm", **DECAY), filtered)
    assert_same(net.parameters(), plain.parameters())
    assert not torch.equal(plain.gain, filtered.gain)


def test_a_spared_parameter_moves_by_its_gradient_alone():
    spared, decaying = Parameter(torch.ones(2)), Parameter(torch.ones(2, 2))
    opt = optim.SGD([spared, decaying], lr=0.5, weight_decay=0.5, decay_filter="no_bias_norm")
    for p in (spared, decaying):
        p.grad = torch.zeros_like(p)
    opt.step()
    assert spared.tolist() == [1.0, 1.0]
    assert decaying.tolist() == [[0.75, 0.75], [0.75, 0.75]]


def test_without_names_no_bias_norm_goes_by_the_axes_alone():
    net, plain = model(), model()
    opt = ours("AdamW", net.parameters(), decay_filter="no_bias_norm", **DECAY)
    have = run(opt, net)
    assert_same(have, run(ours("AdamW", by_hand(plain, {*BY_HAND, "bias"})), plain))


SENTENCE = (
    r"^AdamW: .*predicate.*names.*named_parameters\(\), or, where the parameters come without "
    r"names, take decay_filter='no_bias_norm' or no_bias_norm\(model\)$"
)


def test_a_predicate_without_names_is_refused_with_what_works_there():
    with pytest.raises(ValueError, match=SENTENCE):
        optim.AdamW(model().parameters(), decay_filter=lambda n, p: True)


def test_a_predicate_is_asked_once_for_each_parameter_with_its_name():
    net, asked = model(), []

    def decays(name, p):
        asked.append((name, p))
        return p.dim() > 1

    opt = optim.AdamW(net.named_parameters(), decay_filter=decays)
    run(opt, net, 3)
    run(*reversed(copy.deepcopy((net, opt))))
    named = list(net.named_parameters())
    assert [name for name, _ in asked] == [name for name, _ in named]
    assert all(p is q for (_, p), (_, q) in zip(asked, named, strict=True))


def test_what_a_predicate_returns_is_taken_for_its_truth():
    net = model()
    opt = optim.AdamW(net.named_parameters(), decay_filter=lambda n, p: p.dim() > 1 and [0])
    assert opt.param_groups[0]["decay_filter"] == [p.dim() > 1 for p in net.parameters()]


def test_a_predicate_that_fails_makes_no_optimizer_and_no_group():
    def fails(name, p):
        raise ArithmeticError(name)

    with pytest.raises(ArithmeticError, match=r"^bias$"):
        optim.AdamW(model().named_parameters(), decay_filter=fails)
    opt = optim.AdamW(model().named_parameters())
    with pytest.raises(ArithmeticError, match=r"^new$"):
        opt.add_param_group({"params": [("new", Parameter(torch.ones(2)))], "decay_filter": fails})
    assert len(opt.param_groups) == 1


def test_a_group_may_have_a_filter_of_its_own():
    params, plain = weights([(2, 2), (2,), (2, 2), (2,)]), weights([(2, 2), (2,), (2, 2), (2,)])
    opt = optim.AdamW(
        [
            {"params": list(zip("ab", params[:2], strict=True))},
            {
                "params": list(zip("cd", params[2:], strict=True)),
                "decay_filter": lambda n, p: n == "d",
            },
        ],
        decay_filter="no_bias_norm",
        **DECAY,
    )
    other = optim.AdamW([{"params": [plain[i]], **DECAY} for i in range(4)])
    for i in (1, 2):
        other.param_groups[i]["weight_decay"] = 0.0
    walk(opt, 5)
    walk(other, 5)
    assert_same(params, plain)


def test_a_group_may_opt_out():
    net, plain = model(), model()
    opt = optim.AdamW(
        [{"params": net.parameters(), "decay_filter": None}], decay_filter="no_bias_norm", **DECAY
    )
    assert_same(run(opt, net), run(optim.AdamW(plain.parameters(), **DECAY), plain))


@pytest.mark.parametrize("own", [{}, {"decay_filter": lambda n, p: p.dim() <= 1}], ids=["", "own"])
def test_an_added_group_is_filtered_by_the_optimizers_filter_or_its_own(own):
    params, plain = weights([(2, 2), (2,), (2, 2), (2,)]), weights([(2, 2), (2,), (2, 2), (2,)])
    opt = optim.AdamW(
        list(zip("ab", params[:2], strict=True)), decay_filter=lambda n, p: p.dim() > 1, **DECAY
    )
    opt.add_param_group({"params": list(zip("cd", params[2:], strict=True)), **own})
    spared = [1, 2] if own else [1, 3]
    other = optim.AdamW([{"params": [p], **DECAY} for p in plain])
    for i in spared:
        other.param_groups[i]["weight_decay"] = 0.0
    walk(opt, 4)
    walk(other, 4)
    assert_same(params, plain)


@pytest.mark.parametrize("name", DECAYING)
@pytest.mark.parametrize("way", ["a file", "deepcopy", "pickle"])
@pytest.mark.parametrize(
    "decay_filter", ["no_bias_norm", lambda n, p: n.endswith("weight")], ids=["word", "predicate"]
)
def test_a_filter_survives_copies_and_files(name, way, decay_filter):
    net = model()
    opt = ours(name, net.named_parameters(), decay_filter=decay_filter, **DECAY)
    run(opt, net, 3)
    if way == "a file":
        other = copy.deepcopy(net)
        after = ours(name, other.parameters())
        after.load_state_dict(reloaded(opt.state_dict()))
        run(after, other, 3, start=3)
    else:
        both = (net, opt)
        other, after = (
            copy.deepcopy(both) if way == "deepcopy" else pickle.loads(pickle.dumps(both))
        )
        run(after, other, 3, start=3)
    run(opt, net, 3, start=3)
    assert_same(other.parameters(), net.parameters())
    assert after.param_groups[0]["decay_filter"] == opt.param_groups[0]["decay_filter"]


@pytest.mark.parametrize(
    "decay_filter", ["no_bias_norm", lambda n, p: n in BY_HAND], ids=["word", "predicate"]
)
def test_a_file_of_torchs_leaves_the_filter_that_was_asked_for(decay_filter):
    """It has no such setting, and what it does not say stays as it was."""
    source, plain = model(), model()
    theirs = torch.optim.AdamW(source.named_parameters(), lr=0.01, **DECAY)
    run(theirs, source, 3)
    net = copy.deepcopy(source)
    plain.load_state_dict(source.state_dict())
    opt = ours("AdamW", net.named_parameters(), decay_filter=decay_filter, **DECAY)
    opt.load_state_dict(reloaded(theirs.state_dict()))
    by_groups = ours("AdamW", by_hand(plain))
    for p, q in zip(plain.parameters(), source.parameters(), strict=True):
        by_groups.state[p] = copy.deepcopy(theirs.state[q])
    assert_same(run(opt, net, 3, start=3), run(by_groups, plain, 3, start=3))


def test_torch_reads_a_file_with_a_filter():
    net = model()
    opt = ours("AdamW", net.named_parameters(), decay_filter=lambda n, p: n in BY_HAND, **DECAY)
    run(opt, net, 2)
    other = copy.deepcopy(net)
    theirs = torch.optim.AdamW(other.parameters())
    theirs.load_state_dict(reloaded(opt.state_dict()))
    before = values(other.parameters())
    run(theirs, other, 1, start=2)
    assert {float(held["step"]) for held in theirs.state.values()} == {3.0}
    assert not any(map(torch.equal, before, other.parameters()))


@pytest.mark.parametrize("name", DECAYING_APART)
def test_a_filter_put_on_in_mid_run_counts_from_the_next_step_on(name):
    net, plain = model(), model()
    opt = ours(name, net.named_parameters(), **DECAY)
    other = ours(name, by_hand(plain))
    for group in other.param_groups:
        group["weight_decay"] = 0.3
    run(opt, net, 3)
    run(other, plain, 3)
    opt.param_groups[0]["decay_filter"] = "no_bias_norm"
    other.param_groups[1]["weight_decay"] = 0.0
    assert_same(run(opt, net, 3, start=3), run(other, plain, 3, start=3))


def test_a_decay_changed_in_mid_run_changes_for_those_that_decay():
    net, plain = model(), model()
    opt = ours("Adam", net.named_parameters(), decay_filter="no_bias_norm", **DECAY)
    other = ours("Adam", by_hand(plain))
    for t in range(6):
        opt.param_groups[0]["weight_decay"] = other.param_groups[0]["weight_decay"] = 0.1 * t
        run(opt, net, 1, start=t)
        run(other, plain, 1, start=t)
    assert_same(net.parameters(), plain.parameters())


def test_a_predicate_put_into_a_group_by_hand_is_refused_before_anything_moves():
    net = model()
    opt = optim.AdamW(net.named_parameters())
    opt.param_groups[0]["decay_filter"] = lambda n, p: True
    before = values(net.parameters())
    with pytest.raises(
        ValueError, match=r"^AdamW: decay_filter must be 'no_bias_norm' or one truth"
    ):
        run(opt, net, 1)
    assert_same(net.parameters(), before)


def test_parameters_swapped_under_a_decided_filter_must_be_as_many():
    net = model()
    opt = optim.AdamW(net.named_parameters(), decay_filter=lambda n, p: True)
    opt.param_groups[0]["params"] = weights([(2,), (3,)])
    with pytest.raises(ValueError, match=r"one truth value for each of the group's 2 parameters"):
        walk(opt)


def test_only_parameters_with_a_gradient_are_told_apart_by_it():
    """A filter goes by all of a group's parameters, also where some have no gradient."""
    net, plain = model(), model()
    opt = ours("Adam", net.named_parameters(), decay_filter=lambda n, p: n in BY_HAND, **DECAY)
    other = ours("Adam", by_hand(plain))
    for t in range(5):
        for each, its in ((net, opt), (plain, other)):
            give_gradients(each.parameters(), t)
            for i, p in enumerate(each.parameters()):
                if (i + t) % 3 == 0:
                    p.grad = None
            its.step()
    assert_same(net.parameters(), plain.parameters())


@pytest.mark.parametrize("name", [n for n in EVERY if not OPTIMIZERS[n].spares])
def test_a_class_without_decay_refuses_a_filter(name):
    sentence = f"^{name}: decay_filter needs a weight decay, and {name} has none$"
    with pytest.raises(TypeError, match=sentence):
        ours(name, weights(), decay_filter="no_bias_norm")
    opt = ours(name, weights())
    with pytest.raises(TypeError, match=sentence):
        opt.add_param_group({"params": weights(), "decay_filter": "no_bias_norm"})
    assert len(opt.param_groups) == 1


def test_every_class_with_a_weight_decay_takes_a_filter():
    assert [n for n in OURS if OPTIMIZERS[n].spares] == DECAYING


@pytest.mark.parametrize("value", ["no_bias", "", 0.1, 0, [1, 0], {"bias": False}, True])
def test_what_is_no_filter_is_refused(value):
    with pytest.raises(ValueError, match=r"^Adam: decay_filter must be None, 'no_bias_norm' or a "):
        optim.Adam(weights(), decay_filter=value)


def test_one_predicate_serves_several_groups_and_those_added_later():
    body, head, late = (torch.nn.Linear(3, 2) for _ in range(3))

    def named(prefix, module):
        return [(f"{prefix}.{name}", p) for name, p in module.named_parameters()]

    groups = [{"params": named("body", body)}, {"params": named("head", head), "lr": 0.5}]
    opt = optim.AdamW(groups, decay_filter=lambda name, p: name == "head.weight")
    opt.add_param_group({"params": named("late", late)})
    have = [group["decay_filter"] for group in opt.param_groups]
    assert have == [[False, False], [True, False], [False, False]]


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
@pytest.mark.parametrize("how", ["no_bias_norm", "predicate"])
def test_optimizers_beyond_a_rule_take_a_filter_too(name, how):
    torch.manual_seed(0)
    first, second = (torch.nn.Linear(4, 3, bias=False) for _ in range(2))
    model = torch.nn.Sequential(first, second)
    spares = how == "predicate"

    def decays(name, p):
        return name != "1.weight"

    opt = getattr(optim, name)(
        model.named_parameters(), weight_decay=0.5, decay_filter=decays if spares else how
    )
    plain = copy.deepcopy(model)
    groups = [
        {"params": [plain[0].weight]},
        {"params": [plain[1].weight], "weight_decay": 0.0 if spares else 0.5},
    ]
    other = getattr(optim, name)(groups, weight_decay=0.5)
    for t in range(3):
        for i in range(2):
            model[i].weight.grad = numbers((3, 4), 10 * t + i, torch.float32)
            plain[i].weight.grad = model[i].weight.grad.clone()
        opt.step()
        other.step()
    assert torch.equal(first.weight, plain[0].weight)
    assert torch.equal(second.weight, plain[1].weight)
    pickle.loads(pickle.dumps(opt)).step()
