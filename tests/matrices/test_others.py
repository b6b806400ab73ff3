"""`others=`: one optimizer for a whole model, a matrix rule and another for all the rest."""

import copy
import pickle

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from thalweg import mytorch
from thalweg.averaging import EMA
from thalweg.chain import Chain, chain
from thalweg.either import either
from thalweg.optimizers import OPTIMIZERS
from thalweg.rules import Lion, Muon, Prodigy

TAKING = [name for name in OPTIMIZERS if OPTIMIZERS[name].choice.is_choosy]


def model():
    torch.manual_seed(0)
    made = torch.nn.Sequential(
        torch.nn.Embedding(6, 4),
        torch.nn.Linear(4, 8),
        torch.nn.LayerNorm(8),
        torch.nn.Linear(8, 4),
        torch.nn.Linear(4, 6),
    )
    return made.double()


MATRICES = ["1.weight", "3.weight"]
OTHERS = ["0.weight", "1.bias", "2.weight", "2.bias", "3.bias", "4.weight", "4.bias"]


def names(opt):
    return [group.get("param_names") for group in opt.param_groups]


def walk(net, opt, steps, start=0):
    for t in range(start, start + steps):
        for i, p in enumerate(net.parameters()):
            draw = np.random.default_rng(100 * t + i)
            p.grad = torch.tensor(draw.normal(size=p.shape)) + 0.1 * p.detach()
        opt.step()


def values(net):
    return [p.detach().clone() for p in net.parameters()]


def assert_same(one, other):
    for a, b in zip(values(one), values(other), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", TAKING)
def test_each_tensor_takes_the_steps_of_its_own_optimizer(name):
    whole, parted = model(), model()
    one = getattr(optim, name)(
        whole, lr=0.02, others=optim.AdamW, others_lr=3e-3, others_betas=(0.8, 0.9)
    )
    by_name = dict(parted.named_parameters())
    two = [
        getattr(optim, name)([by_name[n] for n in MATRICES], lr=0.02),
        optim.AdamW([by_name[n] for n in OTHERS], lr=3e-3, betas=(0.8, 0.9)),
    ]
    assert names(one) == [MATRICES, OTHERS]
    for t in range(4):
        walk(whole, one, 1, t)
        for i, p in enumerate(parted.parameters()):
            draw = np.random.default_rng(100 * t + i)
            p.grad = torch.tensor(draw.normal(size=p.shape)) + 0.1 * p.detach()
        for opt in two:
            opt.step()
    assert_same(whole, parted)


@pytest.mark.parametrize("given", ["model", "named", "groups", "mytorch"])
def test_the_model_says_who_gets_which(given):
    if given == "mytorch":
        nn = mytorch.nn
        net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 4), nn.Linear(4, 6))
        for params in (net, net.named_parameters(), mytorch.optim.matrix_groups(net)):
            opt = mytorch.optim.Muon(params, others=mytorch.optim.AdamW)
            assert names(opt)[0] == ["0.weight", "2.weight"]
        return
    net = model()
    params = {"model": net, "named": net.named_parameters(), "groups": optim.matrix_groups(net)}
    assert names(optim.Muon(params[given], others="AdamW")) == [MATRICES, OTHERS]


def test_without_a_model_shapes_say_it():
    net = model()
    opt = optim.Muon(net.parameters(), others=optim.AdamW)
    assert [len(group["params"]) for group in opt.param_groups] == [4, 5]
    opt = optim.Muon([p for p in net.parameters() if p.ndim == 2], others=optim.AdamW)
    assert len(opt.param_groups) == 1


def test_convolutions_are_others_unless_flattened():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3), torch.nn.Linear(4, 2)
    )
    assert [len(g["params"]) for g in optim.Muon(net, others="AdamW").param_groups] == [6]
    opt = optim.Muon(net, others="AdamW", flatten=True)
    assert names(opt)[0] == ["0.weight", "1.weight"]
    assert [n for n, _ in optim.matrix_groups(net, flatten=True)[0]["params"]] == names(opt)[0]


def test_every_schedule_moves_both():
    net = model()
    opt = optim.Muon(net, lr=0.1, others=optim.AdamW, others_lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda t: 0.5**t)
    before = values(net)
    walk(net, opt, 1)
    schedule.step()
    assert [group["lr"] for group in opt.param_groups] == [0.05, 0.005]
    assert all("others_lr" not in group for group in opt.param_groups)
    for group in opt.param_groups:
        group["lr"] = 0.0
    before = values(net)
    walk(net, opt, 2)
    for a, b in zip(before, values(net), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", TAKING)
def test_a_file_in_mid_run_is_as_if_there_were_none(name, tmp_path):
    def made():
        net = model()
        return net, getattr(optim, name)(net, others="Lion", others_lr=1e-3, average=EMA(0.9))

    whole, begun, second = made(), made(), made()
    walk(*whole, 6)
    walk(*begun, 3)
    torch.save({"opt": begun[1].state_dict(), "net": begun[0].state_dict()}, tmp_path / "file")
    saved = torch.load(tmp_path / "file", weights_only=True)
    second[0].load_state_dict(saved["net"])
    second[1].load_state_dict(saved["opt"])
    walk(*second, 3, start=3)
    assert_same(second[0], whole[0])
    assert second[1].state_dict()["param_groups"] == whole[1].state_dict()["param_groups"]


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("border", ["torch", "mytorch"])
def test_copies_go_on_as_the_original(way, border):
    if border == "torch":
        net = model()
        opt = optim.NorMuon(net, others=optim.AdamW, others_lr=1e-3)
        walk(net, opt, 2)
        twin_net, twin = way((net, opt))
        walk(net, opt, 2, 2)
        walk(twin_net, twin, 2, 2)
        assert_same(net, twin_net)
        return
    p = [mytorch.nn.Parameter(np.ones((3, 4))), mytorch.nn.Parameter(np.ones(3))]
    opt = mytorch.optim.NorMuon(p, others="AdamW")
    twin = way(opt)
    for one in (opt, twin):
        for group in one.param_groups:
            for q in group["params"]:
                q.grad = np.ones_like(q.data)
        one.step()
    for a, b in zip(opt.param_groups, twin.param_groups, strict=True):
        np.testing.assert_array_equal(a["params"][0].data, b["params"][0].data)


def test_a_group_that_joins_is_told_apart_too():
    net, more = model(), torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    opt = optim.Muon(net, others=optim.AdamW, others_lr=0.5)
    opt.add_param_group({"params": more.named_parameters(), "lr": 0.25, "others_lr": 0.125})
    assert [group["lr"] for group in opt.param_groups] == [1e-3, 0.5, 0.25, 0.125]
    assert [group.get("others") for group in opt.param_groups] == [None, True, None, True]


def test_a_group_that_fails_leaves_nothing():
    opt = optim.Muon(model(), others=optim.AdamW)
    more = torch.nn.Linear(3, 3).named_parameters()
    with pytest.raises(ValueError, match="others_eps"):
        opt.add_param_group({"params": more, "others_eps": -1.0})
    assert len(opt.param_groups) == 2


@pytest.mark.parametrize(
    "given",
    [optim.Lion, mytorch.optim.Lion, "Lion", Lion, OPTIMIZERS["Lion"]],
    ids=["class", "mytorch", "name", "rule", "chain"],
)
def test_others_may_be_said_in_every_way(given):
    opt = optim.Muon(model(), others=given, others_lr=0.5)
    assert isinstance(opt.chain, Chain)
    assert opt.param_groups[1]["lr"] == 0.5
    assert "others_betas" in opt.param_groups[1]


def test_biases_and_norms_can_go_without_decay():
    net = model()
    opt = optim.Muon(net, others=optim.AdamW, decay_filter="no_bias_norm")
    assert opt.spared == [[], [n for n in OTHERS if n not in ("0.weight", "4.weight")]]


def test_maximize_turns_both_around():
    up, down = model(), model()
    one = optim.Muon(up, others=optim.AdamW, maximize=True, weight_decay=0, others_weight_decay=0)
    two = optim.Muon(down, others=optim.AdamW, weight_decay=0, others_weight_decay=0)
    start = values(up)
    for i, (p, q) in enumerate(zip(up.parameters(), down.parameters(), strict=True)):
        p.grad = q.grad = torch.tensor(np.random.default_rng(i).normal(size=p.shape))
    one.step()
    two.step()
    for a, b, c in zip(start, values(up), values(down), strict=True):
        torch.testing.assert_close(a - b, c - a, rtol=1e-12, atol=1e-12)


WRONG = [
    ({}, ValueError, r"Muon: a parameter of shape \(8,\) is none that Muon takes.*others=AdamW"),
    ({"others_lr": 1e-3}, TypeError, "others_lr is a setting of the optimizer that others= gives"),
    ({"others": "Adamq"}, ValueError, "others must be .*no optimizer is called 'Adamq'.*Adam"),
    ({"others": torch.optim.AdamW}, TypeError, "there is one of that name, others='AdamW'"),
    ({"others": optim.AdamW(model())}, TypeError, "others must be .* class of thalweg.*got AdamW"),
    ({"others": 3}, TypeError, "others must be an optimizer class of thalweg"),
    ({"others": "SOAP"}, TypeError, "others must take every tensor, and SOAP chooses by shape"),
    ({"others": "SAM"}, TypeError, "others must step without a closure, and SAM asks for one"),
    ({"others": "Prodigy"}, TypeError, "others must step each tensor by itself, and Prodigy"),
    ({"others": "AdamW", "others_lrr": 1}, TypeError, "'others_lrr'; did you mean 'others_lr'"),
    ({"others": "AdamW", "others_lr": -1.0}, ValueError, "others_lr must be >= 0, got -1.0"),
]


@pytest.mark.parametrize(("given", "error", "said"), WRONG, ids=str)
def test_wrong_uses_are_told_in_a_sentence(given, error, said):
    net = model()[1:]
    with pytest.raises(error, match=said):
        optim.Muon(net.parameters(), **given)


def test_the_name_of_the_others_may_be_in_any_case():
    net, twin = model(), model()
    twin.load_state_dict(net.state_dict())
    walk(net, optim.Muon(net, others="AdamW"), 2)
    walk(twin, optim.create("muon", twin, others="adam_w"), 2)
    assert_same(twin, net)


def test_an_optimizer_of_every_tensor_has_no_others():
    with pytest.raises(TypeError, match=r"AdamW: .*'others'"):
        optim.AdamW(model(), others="Lion")


def test_a_group_of_others_has_one_lr():
    p = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(TypeError, match="in a group of others, lr is others_lr"):
        optim.Muon([{"params": [p], "others": True, "lr": 1, "others_lr": 2}], others="AdamW")


class TestMatrixGroups:
    def test_every_optimizer_takes_them(self):
        for made in (optim.AdamW, optim.SOAP, torch.optim.AdamW):
            opt = made(optim.matrix_groups(model()))
            assert names(opt) == [MATRICES, OTHERS]

    def test_a_rule_that_has_others_of_its_own_gives_them_these(self):
        opt = optim.Shampoo(optim.matrix_groups(model()), lr=0.1, others_lr=0.5)
        assert [group["lr"] for group in opt.param_groups] == [0.1, 0.5]
        soap = optim.SOAP(optim.matrix_groups(net := model()))
        walk(net, soap, 1)
        assert set(soap.state[net[0].weight]) == {"step", "exp_avg", "exp_avg_sq"}
        assert "left" in soap.state[net[1].weight]

    def test_a_head_may_be_named_or_none(self):
        net = model()
        first = [[n for n, _ in optim.matrix_groups(net, head=h)[0]["params"]] for h in ("1", ())]
        assert first == [["3.weight", "4.weight"], [*MATRICES, "4.weight"]]

    def test_a_weight_that_an_embedding_shares_is_the_embeddings(self):
        net = model()
        net[4] = torch.nn.Linear(4, 6, bias=False)
        net[4].weight = net[0].weight
        assert [n for n, _ in optim.matrix_groups(net, head=())[0]["params"]] == MATRICES

    def test_what_is_no_model_is_refused(self):
        with pytest.raises(TypeError, match="model must be a module, got list"):
            optim.matrix_groups([torch.ones(3)])
        with pytest.raises(ValueError, match=r"head: unknown name 'lm_head'.*known are 0, 1"):
            optim.matrix_groups(model(), head="lm_head")
        with pytest.raises(ValueError, match="ReLU has no parameters"):
            optim.matrix_groups(torch.nn.ReLU())


def test_numbers_of_the_others_start_as_their_own_settings_say():
    made = chain("MuonProdigy", either(Muon, Prodigy), others_d0=1e-3)
    p = torch.nn.Parameter(torch.ones(3, 4))
    opt = optim.optimizer(made)([p])
    p.grad = torch.ones(3, 4)
    opt.step()
    assert float(opt.state[p]["d"]) == 1e-3
