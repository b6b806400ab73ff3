"""`no_bias_norm` knows norms and biases by their modules, or else by their names."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import having, ours, reloaded, walk
from thalweg.mytorch import nn as on_numpy
from thalweg.mytorch import optim as numpy_optim


class RootMean(nn.Module):
    """A norm that only its class's name tells, with a table of weights."""

    def __init__(self):
        super().__init__()
        self.scale = Parameter(torch.ones(2, 3))


class MyRMSNorm(RootMean):
    pass


class Derived(nn.LayerNorm):
    pass


class Transformer(nn.Module):
    """Norms and biases of one, two and three axes, under names that say nothing."""

    def __init__(self):
        super().__init__()
        self.a = nn.LayerNorm((2, 2))
        self.b = nn.Sequential(nn.Linear(3, 2), Derived((2, 3)), nn.Conv2d(2, 2, 2))
        self.c = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.d = MyRMSNorm()
        self.e = RootMean()
        self.f = nn.LSTM(2, 2)
        self.g = nn.Embedding(3, 2)
        self.h = nn.GroupNorm(1, 2)
        self.i = nn.BatchNorm2d(2)
        self.relative_position_bias_table = Parameter(torch.ones(3, 2))
        self.gain = Parameter(torch.ones(()))
        self.token = Parameter(torch.ones(1, 1, 2))


DECAYING = {
    "b.0.weight", "b.2.weight", "c.in_proj_weight", "c.out_proj.weight", "e.scale",
    "f.weight_ih_l0", "f.weight_hh_l0", "g.weight", "token",
}  # fmt: skip


def spared_by(opt, model):
    """The names of the parameters that have kept their value after a step along zeros."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)
    opt.step()
    assert before
    return {name for name, p in model.named_parameters() if bool((p == 1).all())}


def everything_but(model, names):
    return {name for name, _ in model.named_parameters()} - names


@pytest.mark.parametrize("name", ["AdamW", "SGD", "Ranger", "NAdam"])
def test_given_the_model_it_is_exact(name):
    model = Transformer()
    opt = ours(name, model, weight_decay=0.5, decay_filter="no_bias_norm")
    assert set(opt.spared[0]) == everything_but(model, DECAYING)


def test_what_it_says_is_what_it_does():
    model = Transformer()
    opt = optim.SGD(model, lr=0.5, weight_decay=0.5, decay_filter="no_bias_norm")
    assert spared_by(opt, model) == set(opt.spared[0]) == everything_but(model, DECAYING)


WAYS = {
    "a predicate of the model, no names": lambda m: optim.SGD(
        m.parameters(), lr=0.5, weight_decay=0.5, decay_filter=optim.no_bias_norm(m)
    ),
    "the same with names": lambda m: optim.SGD(
        m.named_parameters(), lr=0.5, weight_decay=0.5, decay_filter=optim.no_bias_norm(m)
    ),
    "the model's names and parameters": lambda m: optim.SGD(
        m.named_parameters(), lr=0.5, weight_decay=0.5, decay_filter="no_bias_norm"
    ),
    "the same in a group": lambda m: optim.SGD(
        [{"params": m.named_parameters(), "weight_decay": 0.5}],
        lr=0.5, decay_filter="no_bias_norm",
    ),
    "the same under a prefix": lambda m: optim.SGD(
        m.named_parameters(prefix="net"), lr=0.5, weight_decay=0.5, decay_filter="no_bias_norm"
    ),
    "a group that is the model": lambda m: optim.SGD(
        [{"params": m, "weight_decay": 0.5}], lr=0.5, decay_filter="no_bias_norm"
    ),
    "modules as groups": lambda m: optim.SGD(
        [{"params": module} for module in m.children()]
        + [{"params": m.named_parameters(recurse=False)}],
        lr=0.5, weight_decay=0.5, decay_filter="no_bias_norm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_there_are_other_ways_to_give_it(way):
    model = Transformer()
    assert spared_by(WAYS[way](model), model) == everything_but(model, DECAYING)


class Named(nn.Module):
    """A norm whose name says nothing, and one of a class of one's own."""

    def __init__(self):
        super().__init__()
        self.rms = nn.RMSNorm((2, 2))
        self.own = MyRMSNorm()
        self.linear = nn.Linear(2, 2)


class Wrapper(nn.Module):
    """Puts a word before every name, as DistributedDataParallel does."""

    def __init__(self, module):
        super().__init__()
        self.module = module


class Choosy(Named):
    def named_parameters(self, *args, **kwargs):
        found = super().named_parameters(*args, **kwargs)
        return ((name, p) for name, p in found if not name.startswith("linear"))


NORMS = ["rms.weight", "own.scale", "linear.bias"]
PREFIXED = {
    "": lambda m: m.named_parameters(),
    "net.": lambda m: m.named_parameters(prefix="net"),
    "module.": lambda m: Wrapper(m).named_parameters(),
    "_orig_mod.": lambda m: torch.compile(m, backend="eager").named_parameters(),
}


@pytest.mark.parametrize("prefix", PREFIXED)
@pytest.mark.parametrize("name", ["AdamW", "Muon", "Adafactor"])
def test_the_models_named_parameters_know_its_modules(name, prefix):
    model = Named()
    if name == "Muon":
        model.linear.bias = None
    named = PREFIXED[prefix]
    names = [n for n, _ in named(model)]
    opt = getattr(optim, name)(named(model), decay_filter="no_bias_norm")
    assert opt.spared == [[prefix + n for n in NORMS if n != "linear.bias" or name != "Muon"]]
    assert opt.param_groups[0]["param_names"] == names
    assert all(
        p is q for p, q in zip(opt.param_groups[0]["params"], model.parameters(), strict=True)
    )


def test_so_do_those_of_a_group_that_is_added_later():
    model = Named()
    opt = optim.AdamW(nn.Linear(2, 2, bias=False), decay_filter="no_bias_norm")
    opt.add_param_group({"params": model.named_parameters()})
    assert opt.spared == [[], NORMS]
    assert opt.param_groups[1]["param_names"] == [n for n, _ in model.named_parameters()]


def test_what_is_not_the_models_own_iterator_goes_by_names_and_axes():
    model = Named()
    begun = model.named_parameters()
    first = next(begun)
    assert first[0] == "rms.weight"
    bias = ["linear.bias"]
    for params, spared in [
        (begun, bias),
        (list(model.named_parameters()), bias),
        ((pair for pair in model.named_parameters()), bias),
        (Choosy().named_parameters(), []),
        (nn.Module.named_parameters(Choosy()), bias),
    ]:
        assert optim.AdamW(params, decay_filter="no_bias_norm").spared == [spared]


def test_named_parameters_of_a_model_without_any_are_refused():
    with pytest.raises(ValueError, match=r"^AdamW: the model must have a parameter, got ReLU$"):
        optim.AdamW(nn.ReLU().named_parameters())
    empty = nn.ReLU().named_parameters()  # in a group they are nothing, as in torch
    assert optim.AdamW([{"params": empty}, {"params": [Parameter(torch.ones(1))]}]).spared == [
        [],
        [],
    ]


def test_without_names_what_is_spared_is_said_by_places():
    model = Transformer()
    names = [name for name, _ in model.named_parameters()]
    opt = optim.SGD(
        model.parameters(), lr=0.1, weight_decay=0.1, decay_filter=optim.no_bias_norm(model)
    )
    assert {names[i] for i in opt.spared[0]} == everything_but(model, DECAYING)
    assert optim.SGD(model.parameters(), lr=0.1).spared == [[]]


SPARED = [
    "norm.weight", "ln_1.weight", "ln_f.weight", "bn2.weight", "encoder.0.LayerNorm.weight",
    "input_layernorm.weight", "post_attention_layernorm.weight", "q_norm.weight", "norm1.weight",
    "blocks.3.gn.weight", "norms.0.weight", "bias", "x.bias", "attn.in_proj_bias", "bias_k",
    "lstm.bias_hh_l0", "relative_position_bias_table", "final_norm.scale",
    "InstanceNorm2d_1.weight",
]  # fmt: skip
KEPT = [
    "weight", "0.weight", "norm1.linear.weight", "norm_proj.weight", "normal.weight",
    "debias.weight",
    "unbiased_weight", "norm_block.1.weight", "embed.weight", "bnb.weight", "normalizer.weight",
    "lnx.weight", "w",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "is_spared"), [*((n, True) for n in SPARED), *((n, False) for n in KEPT)]
)
def test_names_alone_tell_norms_and_biases_of_two_axes(name, is_spared):
    opt = optim.AdamW([(name, Parameter(torch.ones(2, 2)))], decay_filter="no_bias_norm")
    assert opt.spared == [[name] if is_spared else []]


def test_the_kind_of_the_axes_decides_where_there_is_nothing_else():
    params = [Parameter(torch.ones(shape)) for shape in ((2, 2), (2,), ())]
    assert optim.AdamW(params, decay_filter="no_bias_norm").spared == [[1, 2]]


@pytest.mark.parametrize("name", having("weight_decay"))
def test_copies_and_files_keep_what_the_modules_said(name):
    model = nn.Sequential(nn.LayerNorm((2, 2)), nn.Linear(2, 2)).double()
    opt = ours(name, model, weight_decay=0.3, decay_filter="no_bias_norm")
    walk(opt, 2)
    assert opt.spared == [["0.weight", "0.bias", "1.bias"]]
    other, again = copy.deepcopy((model, opt))
    assert again.spared == opt.spared
    fresh = ours(name, other, weight_decay=0.3, decay_filter="no_bias_norm")
    fresh.load_state_dict(reloaded(opt.state_dict()))
    assert fresh.spared == opt.spared


def test_a_file_that_has_the_word_leaves_the_modules_decision():
    model = nn.Sequential(nn.LayerNorm((2, 2)), nn.Linear(2, 2))
    saved = optim.AdamW(list(model.named_parameters()), decay_filter="no_bias_norm")
    assert saved.spared == [["0.bias", "1.bias"]] or saved.spared == [["1.bias", "0.bias"]]
    opt = optim.AdamW(model, decay_filter="no_bias_norm")
    opt.load_state_dict(saved.state_dict())
    assert opt.spared == [["0.weight", "0.bias", "1.bias"]]


def test_a_predicate_takes_the_models_names():
    model = Transformer()
    opt = optim.AdamW(model, decay_filter=lambda name, p: name == "g.weight")
    assert set(opt.spared[0]) == everything_but(model, {"g.weight"})


@pytest.mark.parametrize("cls", [optim.Adafactor, optim.Muon])
def test_the_classes_of_matrices_take_a_model_too(cls):
    model = nn.Sequential(nn.Embedding(3, 2), nn.LayerNorm((2, 2), bias=False))
    opt = cls(model, weight_decay=0.5, decay_filter="no_bias_norm")
    assert opt.spared == [["1.weight"]]


def test_lbfgs_takes_a_model():
    opt = optim.LBFGS(nn.Linear(2, 2))
    assert opt.param_groups[0]["param_names"] == ["weight", "bias"]


def test_a_model_without_parameters_is_refused():
    with pytest.raises(ValueError, match=r"^AdamW: the model must have a parameter, got ReLU$"):
        optim.AdamW(nn.ReLU())


def test_a_parameter_of_another_model_is_refused():
    with pytest.raises(
        ValueError, match=r"^no_bias_norm\(model\): a parameter of shape \(2, 2\) is"
    ):
        optim.AdamW([Parameter(torch.ones(2, 2))], decay_filter=optim.no_bias_norm(nn.Linear(2, 2)))


def test_the_model_itself_is_no_filter():
    model = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"^AdamW: .* got a Linear; .*no_bias_norm\(model\)$"):
        optim.AdamW(model, decay_filter=model)
    with pytest.raises(TypeError, match=r"^no_bias_norm: model must be a module, got list$"):
        optim.no_bias_norm([model])


def test_a_group_added_later_is_asked_the_same():
    model, head = nn.Linear(2, 2), nn.LayerNorm((2, 2))
    opt = optim.AdamW(model, decay_filter="no_bias_norm")
    opt.add_param_group({"params": head})
    assert opt.spared == [["bias"], ["weight", "bias"]]


def test_on_numpy_the_modules_are_asked_too():
    model = on_numpy.Sequential(on_numpy.LayerNorm((2, 2)), on_numpy.Linear(2, 2))
    opt = numpy_optim.AdamW(model, weight_decay=0.5, decay_filter="no_bias_norm")
    assert sorted(opt.spared[0]) == ["0.bias", "0.weight", "1.bias"]
    by_module = numpy_optim.AdamW(model.named_parameters(), decay_filter="no_bias_norm")
    assert by_module.spared == opt.spared
    assert by_module.param_groups[0]["param_names"] == [n for n, _ in model.named_parameters()]
    group = {"params": model.named_parameters()}
    assert numpy_optim.SGD([group], decay_filter="no_bias_norm").spared == opt.spared
    by_names = numpy_optim.AdamW(list(model.named_parameters()), decay_filter="no_bias_norm")
    assert sorted(by_names.spared[0]) == ["0.bias", "1.bias"]
    opt.load_state_dict(by_names.state_dict())
    assert sorted(opt.spared[0]) == ["0.bias", "0.weight", "1.bias"]
    with pytest.warns(UserWarning, match="^AdamW: a group has 'weigth_decay'.*'weight_decay'"):
        opt.add_param_group({"params": on_numpy.Linear(1, 1), "weigth_decay": 0.1})
