"""One optimizer for a whole model: a rule for its matrices, and `others=` for all the rest."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from thalweg import naming
from thalweg.border.groups import NO_BIAS_NORM, is_norm, model_of, no_bias_norm
from thalweg.chain import Chain, chain
from thalweg.either import OTHERS, either, joined_parts, other
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule
from thalweg.signature import Signature
from thalweg.source import unknown
from thalweg.stages import Maximize

__all__ = ["add_in_parts", "matrix_groups", "named_lr", "with_others"]

_LR = other("lr", 1)

# what of a group is a list with one value for each parameter
_OF_EACH = ("decay_filter", "param_names")


def with_others(made: Chain, given: Any) -> Chain:
    """The chain of a matrix rule, with another for the tensors that are not its own.

    `given` is an optimizer class of either border, its name, a chain or a rule. Its settings are
    `others_lr`, `others_betas` and so on.
    """
    return _joined(made, _chain_of(made.name, given))


@functools.lru_cache(maxsize=64)
def _joined(made: Chain, theirs: Chain) -> Chain:
    if theirs.choice.is_choosy:
        raise TypeError(
            f"{made.name}: others must take every tensor, and {theirs.name} chooses by shape; "
            "give one such as AdamW"
        )
    if any(request.kind != "noise" for request in theirs.requests.values()):
        raise TypeError(
            f"{made.name}: others must step without a closure, and {theirs.name} asks for one"
        )
    if theirs.shared:
        raise TypeError(
            f"{made.name}: others must step each tensor by itself, and {theirs.name} keeps "
            f"{', '.join(theirs.shared)} for all that it steps; give one such as AdamW"
        )
    mine, theirs = _without_maximize(made, 0), _without_maximize(theirs, 0)
    parts, values = joined_parts(made.name, [either(mine, theirs)])
    fixed = {**mine.fixed, **{other(name, 1): value for name, value in theirs.fixed.items()}}
    keywords = [other(name, 1) for name in theirs.signature.shown]
    signature = replace(mine.signature.with_keywords(keywords), fixed=fixed)
    joined = Chain(made.name, parts, values, signature, made.doc, made.aliases)
    return joined.preceded_by(Maximize)


def _without_maximize(made: Chain, which: int) -> Chain:
    """What of a chain one alternative goes through, without the stage that all have in front."""
    parts = [
        replace(part, which=None) for part in made.choice.of(which) if part.declared is not Maximize
    ]
    settings = {part.public(n) for part in parts for n in part.declared.declaration.settings}
    values = {name: one.default for name, one in made.settings.items() if name in settings}
    shown = made.signature
    signature = Signature(
        tuple(name for name in shown.positional if name in settings),
        tuple(name for name in shown.keyword_only if name in settings),
        {name: value for name, value in shown.fixed.items() if name in settings},
    )
    return Chain(made.name, parts, values, signature, made.doc, made.aliases)


def _chain_of(title: str, given: Any) -> Chain:
    """The chain of what a user gives for the others."""
    if isinstance(given, Chain):
        return given
    its = getattr(given, "chain", None)
    if isinstance(given, type) and isinstance(its, Chain):
        return its
    if isinstance(given, type) and issubclass(given, Rule) and given is not Rule:
        return chain(given.__name__, given)
    said = f"{title}: others must be an optimizer class of thalweg or the name of one"
    if isinstance(given, str):
        try:
            return OPTIMIZERS[naming.found(given, OPTIMIZERS, where="names() has every name")]
        except ValueError as error:
            raise ValueError(f"{said}; {error}") from None
    name = getattr(given, "__name__", "")
    hint = f"; there is one of that name, others={name!r}" if name in OPTIMIZERS else ""
    raise TypeError(f"{said}, got {given!r}{hint}")


def named_lr(chain: Chain, group: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """In a group of others `lr` is their own, so that every schedule moves it: whether it came as
    `others_lr`, or from what the optimizer was made with."""
    if not group.get(OTHERS) or _LR not in chain.settings:
        return
    if _LR in group and "lr" in group:
        raise TypeError(f"{chain.name}: in a group of others, lr is others_lr; give one of them")
    theirs = group.pop(_LR, defaults.get(_LR, chain.settings[_LR].default))
    group.setdefault("lr", theirs)


def add_in_parts(opt: Any, group: Any, kind: type, add: Callable[[Any], None]) -> None:
    """Let a group join an optimizer by `add`, as two where it has others; all of it or nothing.
    `kind` is the border's class of modules."""
    before = len(opt.param_groups)
    try:
        for one in _apart(opt, group, kind):
            add(one)
            opt._tidy(opt.param_groups[-1])
    except BaseException:
        del opt.param_groups[before:]
        raise


def _apart(opt: Any, group: Any, kind: type) -> list[Any]:
    """A group that joins, as two: what the matrix rule steps, and the others; as it came where
    the optimizer has no others of its own or the group says which it is.

    Given as a module of class `kind`, or as its untouched `named_parameters()`, it is told apart as
    `matrix_groups` does; else by shapes alone.
    """
    is_split = vars(opt).get("_others") is not None and isinstance(group, Mapping)
    if not is_split or group.get(OTHERS) or "params" not in group:
        return [group]
    params = group["params"]
    model = model_of(params, kind)
    if model is params and model is not None:
        params = model.named_parameters()
    elif hasattr(params, "shape"):
        params = [params]
    if not isinstance(params, Iterable) or isinstance(params, set | Mapping):
        return [group]  # to be refused
    each = list(params)
    tensors = [one[1] if isinstance(one, tuple) and len(one) == 2 else one for one in each]
    group = {**group, "params": each}
    if not tensors or not all(hasattr(p, "shape") for p in tensors):
        return [group]
    group.pop(OTHERS, None)
    settings = {**opt.defaults, **group}
    choice = opt._chain.choice
    out = set() if model is None else set(_others_of(model, None).values())
    mine = [choice.which(p.shape, settings) == 0 and p not in out for p in tensors]
    if model is not None and settings.get("decay_filter") == NO_BIAS_NORM:
        group["decay_filter"] = no_bias_norm(model)
    found = []
    for is_mine in (True, False):
        chosen = [i for i, own in enumerate(mine) if own == is_mine]
        one = {**group, "params": [each[i] for i in chosen]}
        for key in _OF_EACH:
            if isinstance(group.get(key), list | tuple) and len(group[key]) == len(each):
                one[key] = [group[key][i] for i in chosen]
        if is_mine:
            one.pop(_LR, None)
        else:
            one.pop("lr", None)
            one[OTHERS] = True
        if chosen:
            found.append(one)
    return found


def matrix_groups(
    model: Any, *, head: str | Sequence[str] | None = None, flatten: bool = False
) -> list[dict[str, Any]]:
    """The parameters of a model as two groups: those for a matrix rule, and the others.

        opt = Muon(matrix_groups(model), others=AdamW, others_lr=3e-4)

    The first has the weights of hidden layers, which have two axes. The others, marked
    `"others": True`, are vectors, embeddings, norms, convolutions and other weights of more axes
    unless `flatten`, and the head: the last module that has a matrix of its own, or the modules
    that `head` names, `()` for none. A weight that an embedding shares is the embedding's. Every
    optimizer takes the groups, with the parameters' names; one of a single rule sees nothing in
    the mark. A group that would be empty is left out.

    Raises TypeError for what is no module, ValueError for a head that is none of its modules.
    """
    if not (hasattr(model, "named_modules") and hasattr(model, "named_parameters")):
        raise TypeError(f"matrix_groups: model must be a module, got {type(model).__name__}")
    out = _others_of(model, head)
    named = list(model.named_parameters())
    if not named:
        raise ValueError(f"matrix_groups: {type(model).__name__} has no parameters")
    theirs = set(out.values())
    theirs |= {p for _, p in named if len(p.shape) < 2 or (len(p.shape) > 2 and not flatten)}
    groups: list[dict[str, Any]] = [
        {"params": [(name, p) for name, p in named if p not in theirs]},
        {"params": [(name, p) for name, p in named if p in theirs], OTHERS: True},
    ]
    return [group for group in groups if group["params"]]


def _others_of(model: Any, head: str | Sequence[str] | None) -> dict[str, Any]:
    """The parameters that no matrix rule should step though their shapes would do: those of
    embeddings, norms and heads, by name."""
    modules = dict(model.named_modules())
    owned = {name: _own_parameters(module) for name, module in modules.items()}
    with_matrix = [n for n, own in owned.items() if any(len(p.shape) > 1 for p in own.values())]
    if head is None:
        heads = with_matrix[-1:]
    else:
        heads = [head] if isinstance(head, str) else list(head)
        for name in heads:
            if name not in modules:
                raise ValueError(
                    f"matrix_groups: head: {unknown(name, list(filter(None, modules)))}"
                )
        inside = tuple(f"{name}." for name in heads)
        heads += [name for name in modules if name.startswith(inside)]
    found: dict[str, Any] = {}
    for name, module in modules.items():
        if name in heads or is_norm(module) or _is_embedding(module):
            found.update({f"{name}.{key}": p for key, p in owned[name].items()})
    return found


def _own_parameters(module: Any) -> dict[str, Any]:
    """Those of a module itself, not of the modules in it."""
    return {name: p for name, p in module.named_parameters() if "." not in name}


def _is_embedding(module: Any) -> bool:
    """Whether a module is an embedding by its class or one that it is derived from."""
    return any("embedding" in kind.__name__.lower() for kind in type(module).__mro__)
