"""Whatever is public in torch.optim is there: modules, names, attributes, and torch's classes."""

import copy
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from scripts.write_stubs import BY_HAND, main, modules
from tests.optim.runs import FOR_SPARSE
from tests.optim.test_lr_scheduler import COMPOSED
from tests.schedules.twins import CASES, OURS, TORCHS, build, optimizer, pair
from thalweg.chain import chain
from thalweg.optim import swa_utils
from thalweg.rules import SGD
from thalweg.stages import Centralize

MODULES = [m.name for m in pkgutil.iter_modules(torch.optim.__path__) if m.name[0] != "_"]
CLASSES = [name for name in torch.optim.__all__ if inspect.isclass(getattr(torch.optim, name))]
MADE = sorted(set(CLASSES) - {"Optimizer"})


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_")}


# Modules and their names


@pytest.mark.parametrize("name", MODULES)
def test_every_public_module_of_torchs_is_there_with_its_names(name):
    ours = importlib.import_module(f"thalweg.optim.{name}")
    theirs = importlib.import_module(f"torch.optim.{name}")
    assert set(theirs.__all__) <= set(dir(ours))
    assert [each for each in public(vars(theirs)) if not hasattr(ours, each)] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_our_class_where_there_is_one(name):
    ours = importlib.import_module(f"thalweg.optim.{name}")
    for each in importlib.import_module(f"torch.optim.{name}").__all__:
        if each in optim.__all__:
            assert getattr(ours, each) is getattr(optim, each)
        elif each in OURS.__all__:
            assert getattr(ours, each) is getattr(OURS, each)


def test_the_modules_not_written_by_hand_are_those_that_the_script_writes():
    assert {path.stem for path in modules()} | set(BY_HAND) == set(MODULES)
    assert main(["--check"]) == 0
    files = [str(path) for path in modules()]
    for command in (["format", "--check"], ["check"]):
        pytest.importorskip("ruff")
        subprocess.run([sys.executable, "-m", "ruff", *command, *files], check=True)


@pytest.mark.parametrize(
    "line",
    [
        "from thalweg.optim.optimizer import Optimizer, ParamsT, required",
        "from thalweg.optim.optimizer import register_optimizer_step_pre_hook as hook",
        "from thalweg.optim.adamw import AdamW, adamw, Adam",
        "from thalweg.optim.sgd import SGD, sgd, _single_tensor_sgd",
        "from thalweg.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING, _LRScheduler",
        "from thalweg.optim.swa_utils import PARAM_LIST, AveragedModel",
        "from thalweg.optim import swap_in_optimizer_params_and_state, adamw, optimizer",
        "import thalweg.optim.adamw as m; m.AdamW",
        "import thalweg.optim.optimizer as m; m.Optimizer",
        "import thalweg.optim.optimizer; thalweg.optim.optimizer.Optimizer",
    ],
)
def test_a_line_written_for_torch_runs(line):
    for spelling in (line, line.replace("thalweg", "torch")):
        if spelling.startswith("import torch.optim.optimizer;"):
            continue  # where torch takes its submodules' names away
        exec(spelling, {})


def test_the_class_in_a_module_of_torchs_name_is_ours():
    from thalweg.optim.adamw import Adam, AdamW

    assert (AdamW, Adam) == (optim.AdamW, optim.Adam)


def test_what_neither_has_is_told_with_both_names():
    from thalweg.optim import adamw

    with pytest.raises(
        AttributeError, match=r"neither thalweg\.optim\.adamw nor torch\.optim\.adamw"
    ):
        _ = adamw.nothing
    with pytest.raises(
        AttributeError, match=r"neither thalweg\.optim nor torch\.optim has 'nothing'"
    ):
        _ = optim.nothing
    with pytest.raises(ImportError):
        exec("from thalweg.optim.sgd import nothing", {})


@pytest.mark.parametrize(
    "first", ["", "import thalweg.optim.optimizer", "from thalweg.optim.adamw import AdamW"]
)
def test_optimizer_is_called_and_imported_from_in_any_order(first):
    program = f"""
{first}
from thalweg.optim import optimizer
from thalweg.optim.optimizer import Optimizer
import thalweg.optim, torch
from thalweg.rules import SGD
assert Optimizer is torch.optim.Optimizer
assert thalweg.optim.optimizer is optimizer
assert optimizer(SGD).__module__ == "__main__"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_class_made_by_the_module_is_of_the_module_that_calls():
    made = optim.optimizer(chain("Mine", Centralize, SGD))
    assert made.__module__ == __name__
    assert callable(optim.optimizer)
    assert list(inspect.signature(optim.optimizer).parameters) == ["rule", "like"]
    with pytest.raises(TypeError, match="optimizer takes a rule or a chain, got 3"):
        optim.optimizer(3)


def test_every_name_of_torch_optim_is_there():
    assert set(torch.optim.__all__) <= set(dir(optim))
    assert set(torch.optim.__all__) <= set(optim.__all__)


# Public attributes


def model_parameter():
    p = Parameter(torch.ones(2, 2))
    p.grad = torch.full((2, 2), 0.5)
    return p


def stepped(cls):
    opt = cls([model_parameter()])
    if cls.__name__ in FOR_SPARSE:
        opt.param_groups[0]["params"][0].grad = torch.ones(2, 2).to_sparse(1)
    opt.step(lambda: torch.tensor(1.0))
    return opt


@pytest.mark.parametrize("name", MADE)
def test_an_optimizer_has_every_public_attribute_of_torchs(name):
    ours, theirs = getattr(optim, name), getattr(torch.optim, name)
    assert public(dir(theirs)) <= public(dir(ours))
    assert public(dir(stepped(theirs))) <= public(dir(stepped(ours)))


@pytest.mark.parametrize(
    ("name", "arguments"), [*CASES, *COMPOSED], ids=lambda value: str(value)[:9]
)
def test_a_scheduler_has_every_public_attribute_of_torchs(name, arguments):
    mine, theirs = pair(name, arguments)
    for scheduler in (mine, theirs):
        scheduler.step()
    assert public(dir(type(theirs))) <= public(dir(type(mine)))
    assert [each for each in public(dir(theirs)) if not hasattr(mine, each)] == []


def test_a_plateau_has_every_public_attribute_of_torchs():
    mine, theirs = (
        module.ReduceLROnPlateau(torch.optim.SGD([model_parameter()])) for module in (OURS, TORCHS)
    )
    assert [each for each in public(dir(theirs)) if not hasattr(mine, each)] == []


def test_an_averaged_model_has_every_public_attribute_of_torchs():
    mine, theirs = (
        module.AveragedModel(torch.nn.Linear(2, 2)) for module in (swa_utils, torch.optim.swa_utils)
    )
    assert [each for each in public(dir(theirs)) if not hasattr(mine, each)] == []


@pytest.mark.parametrize("shape", ["cos", "linear"])
def test_swalr_has_torchs_annealing(shape):
    mine, theirs = pair("SWALR", dict(swa_lr=0.1, anneal_strategy=shape))
    for x in (0.0, 0.25, 0.5, 1.0):
        assert mine.anneal_func(x) == pytest.approx(theirs.anneal_func(x), abs=1e-15)
    assert "anneal_func" not in mine.state_dict()


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_cyclic_lr_has_torchs_scale(mode):
    arguments = dict(base_lr=0.1, max_lr=0.2, step_size_up=3, mode=mode, gamma=0.9)
    mine, theirs = pair("CyclicLR", arguments)
    assert [mine._scale_fn_ref(x) for x in (1, 2, 5)] == [
        theirs._scale_fn_ref(x) for x in (1, 2, 5)
    ]


# Instances of torch's classes


@pytest.mark.parametrize("name", MADE)
def test_an_optimizer_is_one_of_torchs(name):
    opt = stepped(getattr(optim, name))
    theirs = getattr(torch.optim, name)
    assert isinstance(opt, theirs)
    assert not any(
        isinstance(opt, getattr(torch.optim, o))
        for o in set(MADE) - {name}
        if o not in {base.__name__ for base in theirs.__mro__}
    )
    assert isinstance(copy.deepcopy(opt), theirs)
    assert isinstance(pickle.loads(pickle.dumps(opt)), theirs)


def test_what_torch_has_not_is_one_of_none():
    bases = {base for base in optim.Ranger.__mro__ if base.__module__.startswith("torch")}
    assert bases == {torch.optim.Optimizer}
    made = optim.optimizer(chain("SGD", Centralize, SGD))
    assert not issubclass(made, torch.optim.SGD)


def refuse(*_, **__):
    raise AssertionError("a method of torch's class")


@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize(
    ("name", "compiled"),
    [(name, False) for name in MADE]
    + [pytest.param(name, True, marks=pytest.mark.slow) for name in ("SGD", "AdamW", "Adafactor")],
)
def test_nothing_of_torchs_class_runs(name, compiled, monkeypatch):
    if compiled:  # the first compilation wraps what torch's classes have, for good
        torch.compile(lambda: None, backend="eager")()
    for base in getattr(torch.optim, name).__mro__:
        if issubclass(base, torch.optim.Optimizer) and base is not torch.optim.Optimizer:
            for method in [key for key, value in vars(base).items() if callable(value)]:
                monkeypatch.setattr(base, method, refuse)
    cls = getattr(optim, name)
    opt = stepped(cls)
    for other in (copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        other.load_state_dict(opt.state_dict())
        if name != "LBFGS":  # which takes one group
            other.add_param_group({"params": [model_parameter()]})
        if hasattr(other, "share_memory"):
            other.share_memory()
        p = other.param_groups[0]["params"][0]
        p.grad = torch.ones(2, 2)
        if compiled:
            torch._dynamo.reset()
            torch.compile(other.step, backend="eager")()
        elif name not in FOR_SPARSE:
            other.step(lambda: torch.tensor(1.0))
        other.zero_grad()


def test_a_host_that_asks_whether_the_decay_is_decoupled_is_told():
    """As deepspeed's plugin of accelerate does before it takes the settings elsewhere."""
    opt = optim.AdamW([model_parameter()])
    assert isinstance(opt, torch.optim.AdamW)
    assert isinstance(opt, torch.optim.Adam)
    assert not isinstance(optim.Adam([model_parameter()]), torch.optim.AdamW)
    assert set(opt.defaults) >= {"lr", "betas", "eps", "weight_decay"}


TORCH_HAS = sorted({*torch.optim.lr_scheduler.__all__, "SWALR"} - {"LRScheduler"})


@pytest.mark.parametrize("name", TORCH_HAS)
def test_nothing_of_torchs_class_runs_in_ours(name, monkeypatch):
    """It is there for `isinstance` alone: the values are to come from thalweg.schedules."""
    theirs = getattr(TORCHS, name)
    for method in [key for key, value in vars(theirs).items() if callable(value)]:
        monkeypatch.setattr(theirs, method, refuse)
    made, arguments = next(
        (case for case in [*CASES, *COMPOSED, ("ReduceLROnPlateau", {})] if case[0] == name),
        (name, {}),
    )
    opt = optimizer()
    mine = build(OURS, opt, made, arguments)
    opt.step()
    steps = [1.0] if name == "ReduceLROnPlateau" else []
    for _ in range(3):
        mine.step(*steps)
    mine.load_state_dict(copy.deepcopy(mine).state_dict())
    mine.step(*steps)


def test_threads_that_ask_for_a_class_at_once_get_the_same():
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import thalweg.optim as optim

sys.setswitchinterval(1e-6)
together = Barrier(8)

def asked(name):
    together.wait()
    return getattr(optim, name)

with ThreadPoolExecutor(8) as pool:
    for name in optim.names():
        assert len({*pool.map(asked, [name] * 8), getattr(optim, name)}) == 1, name
"""
    subprocess.run([sys.executable, "-c", code], check=True)
