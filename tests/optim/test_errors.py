"""Wrong use: torch's exception for the same mistake, in a sentence that says what and where."""

import re
import warnings

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    OURS,
    TWINS,
    assert_close,
    assert_same,
    having,
    ours,
    torchs,
    values,
    walk,
    weights,
)
from thalweg.optimizers import OPTIMIZERS


def caught(make) -> BaseException | None:
    """What a call raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make()
    except Exception as error:
        return error
    return None


# what may not be, for each of the settings
OUT_OF_RANGE = [
    ("lr", -1.0),
    ("lr", float("nan")),
    ("lr", torch.tensor(-1.0)),
    ("weight_decay", -0.1),
    ("momentum", -0.5),
    ("eps", -1e-8),
    ("betas", (1.0, 0.999)),
    ("betas", (0.9, 1.0)),
    ("betas", (-0.1, 0.999)),
    ("betas", (0.9, float("nan"))),
    ("lr", torch.tensor([0.1, 0.2])),
    ("betas", (torch.tensor(1.5), torch.tensor(0.9))),
]
OF_THE_WRONG_KIND = [
    ("lr", "0.1"),
    ("lr", None),
    ("lr", [0.1]),
    ("eps", "small"),
    ("weight_decay", None),
    ("betas", ("0.9", 0.999)),
    ("betas", 0.9),
    ("betas", None),
    ("momentum", "heavy"),
]


def has(name, setting) -> bool:
    return setting in ours(name, weights()).param_groups[0]


def mistakes(table):
    return [
        pytest.param(name, setting, value, id=f"{name}-{setting}-{value}")
        for name in TWINS
        for setting, value in table
        # torch's SGD alone takes NaN for a rate, since it asks `lr < 0`
        if has(name, setting) and (name, repr(value)) != ("SGD", "nan")
    ]


@pytest.mark.parametrize(("name", "setting", "value"), mistakes(OUT_OF_RANGE))
def test_a_setting_out_of_range_is_torchs_error_in_a_sentence(name, setting, value):
    error = caught(lambda: ours(name, weights(), **{setting: value}))
    torch_error = caught(lambda: torchs(name, weights(), **{setting: value}))
    assert type(error) is ValueError
    assert type(torch_error) is ValueError
    assert re.match(rf"{name}: {setting}(\[\d\])? must be .+, got .+", str(error))


@pytest.mark.parametrize(("name", "setting", "value"), mistakes(OF_THE_WRONG_KIND))
def test_a_setting_of_the_wrong_kind_is_torchs_error_in_a_sentence(name, setting, value):
    error = caught(lambda: ours(name, weights(), **{setting: value}))
    torch_error = caught(lambda: torchs(name, weights(), **{setting: value}))
    assert type(error) is TypeError
    assert type(torch_error) is TypeError
    assert re.match(rf"{name}: {setting}(\[\d\])? must be .+, got .+", str(error))


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.99, 0.999), ()], ids=len)
def test_too_few_and_too_many_betas_are_refused(betas):
    """torch takes three, and fails at the first step."""
    with pytest.raises((TypeError, ValueError), match=r"^Adam: betas must be 2 numbers, got \("):
        optim.Adam(weights(), betas=betas)


def test_betas_that_are_tensors_of_two_elements_are_refused_in_a_sentence():
    two = torch.tensor([0.9, 0.99])
    with pytest.raises((TypeError, ValueError), match=r"^Adam: betas\[0\] must be .*, got tensor"):
        optim.Adam(weights(), betas=(two, two))


RANGERS = [
    ("alpha", -0.1, r"alpha must be >= 0 and <= 1, got -0\.1"),
    ("alpha", 1.1, r"alpha must be >= 0 and <= 1, got 1\.1"),
    ("k", 0, "k must be >= 1, got 0"),
    ("n_sma_threshold", 3.9, r"n_sma_threshold must be >= 4, got 3\.9"),
    ("warmup_mode", "none", "warmup_mode must be one of 'sgd', 'skip', got 'none'"),
]


@pytest.mark.parametrize(("setting", "value", "sentence"), RANGERS)
def test_rangers_own_settings_are_checked(setting, value, sentence):
    with pytest.raises(ValueError, match=f"^Ranger: {sentence}$"):
        optim.Ranger(weights(), **{setting: value})


@pytest.mark.parametrize("k", [2.5, "6", None])
def test_k_is_an_integer(k):
    with pytest.raises(TypeError, match=r"^Ranger: k must be an? (integer|number), got "):
        optim.Ranger(weights(), k=k)


def test_a_whole_number_is_an_integer():
    assert optim.Ranger(weights(), k=6.0).param_groups[0]["k"] == 6


@pytest.mark.parametrize("name", OURS)
def test_a_wrong_setting_in_a_group_is_refused_as_in_the_constructor(name):
    for value, kind in ((-1.0, ValueError), ("fast", TypeError)):
        with pytest.raises(kind, match=rf"^{name}: lr must be .*, got {value!r}"):
            ours(name, [{"params": weights(), "lr": value}])


@pytest.mark.parametrize("name", OURS)
def test_a_wrong_setting_in_an_added_group_leaves_the_groups_as_they_were(name):
    opt = ours(name, weights())
    with pytest.raises(ValueError, match=f"^{name}: lr must be >= 0, got -1"):
        opt.add_param_group({"params": weights(), "lr": -1})
    assert len(opt.param_groups) == 1


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("SGD", "momentun", "momentum"),
        ("Adam", "learning_rate", None),
        ("AdamW", "weight_deacy", "weight_decay"),
        ("RAdam", "beta", "betas"),
        ("Ranger", "n_sma_treshold", "n_sma_threshold"),
    ],
)
def test_an_unknown_keyword_is_a_type_error_with_a_suggestion(name, given, meant):
    hint = f"did you mean '{meant}'" if meant else "known are lr, betas"
    with pytest.raises(TypeError, match=f"^{name}: .*'{given}'.*{hint}"):
        getattr(optim, name)(weights(), **{given: 1})


ORDERS = [
    (
        "Ranger",
        (1e-3, 0.5, 6),
        r"betas must be 2 numbers, got 0\.5; .*takes betas, eps.*alpha, k, N_sm",
    ),
    (
        "Ranger",
        (1e-3, 0.5, 6, 5, (0.9, 0.99)),
        "betas must.*ranger.py has alpha, k, .*: give them by keyword$",
    ),
    (
        "Muon",
        (0.02, 0.95, True, 5),
        "nesterov must be True or False, got 5; .*Jordan's has .* keyword$",
    ),
    (
        "Adafactor",
        (1e-3, (1e-30, 1e-3), 1.0, -0.8),
        "beta2_decay must be .*transformers' has eps, cl",
    ),
]


@pytest.mark.parametrize(("name", "given", "sentence"), ORDERS)
def test_the_order_of_an_authors_class_is_told_from_ours(name, given, sentence):
    with pytest.raises(TypeError, match=f"^{name}: {sentence}"):
        getattr(optim, name)(weights([(2, 2)]), *given)


def test_a_wrong_setting_by_keyword_says_nothing_of_orders():
    with pytest.raises(TypeError, match=r"^Ranger: betas must be 2 numbers, got 0\.5$"):
        optim.Ranger(weights(), 1e-3, betas=0.5)


def test_on_numpy_it_is_told_too():
    from thalweg.mytorch import nn
    from thalweg.mytorch import optim as on_numpy

    with pytest.raises(TypeError, match=r"ranger\.py has alpha, k, .*: give them by keyword$"):
        on_numpy.Ranger(nn.Linear(2, 2), 1e-3, 0.5, 6)


def test_too_many_arguments_are_a_type_error():
    with pytest.raises(TypeError, match="too many positional arguments"):
        optim.SGD(weights(), 0.1, 0.9, 0.0, 0.0, True, False)


def test_no_arguments_are_a_type_error():
    with pytest.raises(TypeError, match="params"):
        optim.Adam()


def test_one_setting_given_twice_is_a_type_error():
    with pytest.raises(TypeError, match="lr"):
        optim.Adam(weights(), 0.1, lr=0.1)


def test_one_setting_given_under_both_its_names_is_a_type_error():
    with pytest.raises(TypeError, match="n_sma_threshold"):
        optim.Ranger(weights(), n_sma_threshold=5, N_sma_threshhold=6)


def not_a_leaf():
    return [Parameter(torch.ones(2)) * 2]


def a_parameter():
    return Parameter(torch.ones(2))


def twice():
    p = a_parameter()
    return [p, p]


def in_two_groups():
    p = a_parameter()
    return [{"params": [p]}, {"params": [p]}]


def half_named():
    return [("a", a_parameter()), a_parameter()]


PARAMETERS = {
    "a tensor": lambda: torch.ones(2),
    "a parameter": a_parameter,
    "an empty list": lambda: [],
    "an empty generator": lambda: (p for p in ()),
    "a set": lambda: {a_parameter()},
    "a set in a group": lambda: [{"params": {a_parameter()}}],
    "not a leaf": not_a_leaf,
    "numbers": lambda: [1.0, 2.0],
    "a list of lists": lambda: [[a_parameter()]],
    "strings": lambda: ["weight"],
    "None": lambda: None,
    "a number": lambda: 1.0,
    "a group without params": lambda: [{"lr": 0.1}],
    "in two groups": in_two_groups,
    "half named": half_named,
    "groups and parameters": lambda: [{"params": [a_parameter()]}, a_parameter()],
}


@pytest.mark.parametrize("what", PARAMETERS)
@pytest.mark.parametrize("name", TWINS)
def test_parameters_that_torch_refuses_are_refused_as_there(name, what):
    error = caught(lambda: getattr(optim, name)(PARAMETERS[what](), lr=0.1))
    torch_error = caught(lambda: getattr(torch.optim, name)(PARAMETERS[what](), lr=0.1))
    assert (type(error), str(error)) == (type(torch_error), str(torch_error))


@pytest.mark.parametrize("name", OURS)
def test_one_parameter_twice_is_torchs_warning(name):
    with pytest.warns(UserWarning, match="duplicate parameters"):
        ours(name, twice())


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_one_parameter_twice_is_moved_and_counted_twice_as_in_torch(name):
    # at its very first step torch's SGD also starts the momentum twice
    settings = {"momentum": 0, "nesterov": False} if name == "SGD" else {}
    results = []
    for make in (ours, torchs):
        p = Parameter(torch.ones(2, dtype=torch.float64))
        with pytest.warns(UserWarning, match="duplicate parameters"):
            opt = make(name, [p, p], **settings)
        walk(opt, 5)
        results.append(p)
    assert_close(results[:1], results[1:])


@pytest.mark.parametrize("name", TWINS)
def test_foreach_and_fused_together_are_a_runtime_error(name):
    with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together"):
        ours(name, weights(), foreach=True, fused=True)


@pytest.mark.parametrize("name", TWINS)
def test_fused_and_differentiable_together_are_a_runtime_error(name):
    with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
        ours(name, weights(), fused=True, differentiable=True)


@pytest.mark.parametrize(
    "settings",
    [{"nesterov": True}, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}],
    ids=str,
)
def test_nesterov_needs_momentum_and_no_dampening(settings):
    assert type(caught(lambda: torch.optim.SGD(weights(), **settings))) is ValueError
    with pytest.raises(ValueError, match=r"^SGD: nesterov requires a momentum"):
        optim.SGD(weights(), **settings)


def test_a_tensor_rate_of_two_elements_is_a_value_error():
    with pytest.raises(ValueError, match=r"^SGD: lr must be .*one element, got a tensor .*\(2,\)"):
        optim.SGD(weights(), lr=torch.tensor([0.1, 0.2]))


@pytest.mark.parametrize("name", OURS)
def test_a_step_that_fails_moves_nothing(name):
    """A wrong setting put into a group later is found at the step, before anything has moved."""
    params = weights()
    opt = ours(name, [{"params": params[:2]}, {"params": params[2:]}])
    walk(opt, 2)
    before = values(params)
    opt.param_groups[1]["lr"] = "fast"
    with pytest.raises((TypeError, ValueError)):
        walk(opt, 1, start=2)
    assert_same(params, before)
    opt.param_groups[1]["lr"] = OURS[name]["lr"]
    walk(opt, 1, start=2)


BELOW_1 = [
    name
    for name in having("betas")
    for betas in [OPTIMIZERS[name].settings["betas"]]
    if len(betas.default) == 2 and betas.element(0).below == 1
]


@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize("name", BELOW_1)
def test_a_step_that_fails_in_mid_run_keeps_what_the_steps_before_it_made(name, at):
    """With such a beta torch's bias correction divides by zero."""
    params, plain = weights(), weights()
    opt = ours(name, params)
    walk(opt, at)
    (group,) = opt.param_groups
    good, group["betas"] = group["betas"], (1.0, *group["betas"][1:])
    allowed = opt.chain.settings["betas"].element(0).range
    with pytest.raises(ValueError, match=rf"^{name}: betas\[0\] must be {allowed}, got 1\.0$"):
        walk(opt, 1, start=at)
    group["betas"] = good
    walk(opt, 3, start=at)
    walk(ours(name, plain), at + 3)
    assert_same(params, plain)


@pytest.mark.parametrize("name", OURS)
def test_an_unpicklable_or_strange_group_value_is_no_concern_of_the_step(name):
    params, plain = weights(), weights()
    opt, other = ours(name, params), ours(name, plain)
    opt.param_groups[0]["callback"] = lambda: None
    for one in (opt, other):
        walk(one)
    assert_same(params, plain)


def test_the_base_class_alone_is_not_an_optimizer():
    with pytest.raises(TypeError, match="FusedOptimizer"):
        optim.FusedOptimizer(weights())


@pytest.mark.parametrize("what", ["Adam", 3, None, torch.optim.Adam, OURS])
def test_optimizer_takes_a_rule_or_a_chain(what):
    with pytest.raises(TypeError, match=r"must be a Rule or a|takes a rule or a chain"):
        optim.optimizer(what)


def test_a_name_that_neither_module_has_is_said_so():
    with pytest.raises(
        AttributeError, match=r"neither thalweg\.optim nor torch\.optim has 'Adamm'"
    ):
        optim.Adamm  # noqa: B018
