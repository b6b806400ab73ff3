"""An average in chains and compiled steps, and the settings that make none."""

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import thalweg.optim as optim
from tests.optim.averages import Torchs, averages_of, of_averages, params_of, trained
from tests.optim.runs import (
    EVERY,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA
from thalweg.chain import chain, named
from thalweg.rules import SGD
from thalweg.stages import EqualAverage, ExponentialAverage


@pytest.fixture
def forget_compiled_code():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.usefixtures("forget_compiled_code")
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
@of_averages
def test_a_compiled_step_averages(average):
    mine, plain = weights(), weights()
    opt, other = ours("AdamW", mine, average=average), ours("AdamW", plain, average=average)
    step = torch.compile(opt.step, backend="aot_eager", fullgraph=True)
    for t in range(9):
        give_gradients(mine, t)
        give_gradients(plain, t)
        step()
        other.step()
    assert_same(mine, plain)
    assert_same(averages_of(opt), averages_of(other))


def test_a_users_chain_may_hold_an_average():
    made = optim.optimizer(chain("Mine", SGD, ExponentialAverage, lr=0.1, decay=0.75))
    params = weights()
    opt = made(params, decay=0.5)
    assert opt.param_groups[0]["decay"] == 0.5
    theirs = Torchs(params, EMA(0.5))
    for t in range(5):
        walk(opt, 1, start=t)
        theirs.hear_of(t + 1)
    with opt.averaged_weights():
        assert_close(params, theirs.values())


def test_two_averages_are_two_and_the_last_is_lent():
    inner = named(EqualAverage, avg="swa", n_averaged="n", start="swa_start", every="swa_every")
    made = optim.optimizer(chain("Both", SGD, inner, lr=0.1, swa_start=3))
    params = weights([(3,)])
    opt = made(params, average=EMA(0.5))
    ema, swa = Torchs(params, EMA(0.5)), Torchs(params, SWA(3))
    for t in range(5):
        walk(opt, 1, start=t)
        ema.hear_of(t + 1)
        swa.hear_of(t + 1)
        with opt.averaged_weights():
            assert_close(params, ema.values())
    assert_close([opt.state[params[0]]["swa"]], swa.values())


def test_two_averages_under_one_key_are_refused():
    made = optim.optimizer(chain("Twice", SGD, ExponentialAverage))
    with pytest.raises(TypeError, match=r"^Twice: .* both keep a state 'average'"):
        made(weights(), average=SWA())


@pytest.mark.parametrize(
    "name",
    EVERY,
)
def test_every_class_begins_its_average_with_the_first_step(name):
    params = weights()
    opt = ours(name, params, average=EMA(0.9))
    walk(opt)
    assert_same(averages_of(opt), params)


# bad input


SENTENCES = {
    "decay": (lambda: EMA(1.5), ValueError, r"EMA: decay must be >= 0 and <= 1, got 1\.5"),
    "nan": (lambda: EMA(float("nan")), ValueError, r"EMA: decay must be >= 0 and <= 1, got nan"),
    "text": (lambda: EMA("high"), TypeError, r"EMA: decay must be a number, got 'high'"),
    "start": (lambda: SWA(start=0), ValueError, r"SWA: start must be >= 1, got 0"),
    "every": (lambda: SWA(every=0), ValueError, r"SWA: every must be >= 1, got 0"),
    "fraction": (lambda: SWA(every=1.5), TypeError, r"SWA: every must be an integer, got 1\.5"),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_a_setting_out_of_range_is_named(what):
    make, kind, words = SENTENCES[what]
    with pytest.raises(kind, match=rf"^{words}$"):
        make()


NONE_IS = (
    r"^AdamW: average must be None, EMA\(\.\.\.\) or SWA\(\.\.\.\) from thalweg\.averaging, got "
)


@pytest.mark.parametrize("value", [0.999, True, EMA, "sma", []], ids=repr)
def test_what_is_no_average_is_refused(value):
    with pytest.raises(TypeError, match=NONE_IS):
        ours("AdamW", weights(), average=value)
    opt = ours("AdamW", weights([(3,)]))
    with pytest.raises(TypeError, match=NONE_IS):
        opt.add_param_group({"params": weights([(2,)]), "average": value})
    assert len(opt.param_groups) == 1


@pytest.mark.parametrize("other", [None, SWA()], ids=repr)
def test_groups_keep_the_same_kind_of_average(other):
    params = weights([(3,), (2,)])
    words = r"^AdamW: all groups must keep the same kind of average, got 'ema', "
    groups = [{"params": params[:1]}, {"params": params[1:], "average": other}]
    with pytest.raises(ValueError, match=words):
        ours("AdamW", groups, average=EMA(0.5))
    opt = ours("AdamW", params[:1], average=EMA(0.5))
    with pytest.raises(ValueError, match=words):
        opt.add_param_group(groups[1])
    assert len(opt.param_groups) == 1
    walk(opt)


@of_averages
def test_the_groups_of_an_optimizer_make_another(average):
    """As they do for torch's classes, and for ours without an average."""
    params, opt = trained(average)
    other = optim.AdamW(opt.param_groups, average=average)
    assert other.param_groups == opt.param_groups
    assert_same(params_of(other), params)
    walk(other)


def test_the_word_for_an_average_is_the_average():
    """A group holds it, so somebody will write it."""
    (group,) = ours("AdamW", weights(), average="ema").param_groups
    assert (group["average"], group["average_decay"]) == ("ema", 0.999)


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize("name", ["SGD", "AdamW", "SparseAdam", "NAdam"])
def test_averages_move_without_a_gradient_as_torchs_averaged_model_does(name, kind):
    params = weights([(3, 4), (4,), (2,)])
    params[2].requires_grad_(False)
    model = torch.nn.ParameterList(params)
    average = EMA(0.9) if kind == "ema" else SWA(1, 1)
    fn = get_ema_multi_avg_fn(0.9) if kind == "ema" else None
    opt, judge = ours(name, params, average=average), AveragedModel(model, multi_avg_fn=fn)
    for t in range(40):
        give_gradients(params, t)
        params[2].grad = None
        if t % 3 == 1 or t > 20:
            params[1].grad = None
        if t == 7:
            params[0].grad = params[1].grad = None
        opt.step()
        judge.update_parameters(model)
    assert_close([opt.state[p]["average"] for p in params], list(judge.module.parameters()))


def test_a_mean_starts_at_the_optimizers_step_and_not_at_the_parameters():
    params = weights([(2,), (2,)])
    opt, taken = ours("SGD", params, average=SWA(start=5, every=2)), []
    for t in range(10):
        give_gradients(params, t)
        if t % 2:
            params[1].grad = None
        opt.step()
        if t + 1 in (5, 7, 9):
            taken.append(values(params))
    for p, path in zip(params, zip(*taken, strict=True), strict=True):
        assert_close([opt.state[p]["average"]], [torch.stack(path).mean(0)])
    assert [opt.state[p]["n_missed"].item() for p in params] == [0, 5]
    assert [opt.state[p]["step"].item() for p in params] == [10, 5]


def test_what_moves_without_a_gradient_is_laid_out_once():
    params = weights([(2,), (2,)])
    params[1].requires_grad_(False)
    opt = ours("AdamW", params, average=EMA(0.9))
    found = set()
    for t in range(5):
        params[0].grad = numbers((2,), t)
        opt.step()
        if t > 1:
            found.add((id(opt._layout), id(opt._rest)))
    assert len(found) == 1
    assert opt._rest is not None
