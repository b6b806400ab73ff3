"""What a network is made of: its layers, what they give, and how many numbers they learn."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.random import get_rng_state, set_rng_state
from thalweg.mytorch.tensor import Tensor, no_grad

__all__ = ["Row", "Summary", "summary"]


@dataclass(frozen=True)
class Row:
    """One layer. `parameters` counts its own, not those of layers within it; `shape` is what it
    gave, or None where nothing went through it."""

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int


@dataclass(frozen=True)
class Summary:
    """The rows of a network and the counts of all: `print` shows it as a table."""

    rows: tuple[Row, ...]
    parameters: int
    trainable: int

    def __str__(self) -> str:
        cells = [("layer", "kind", "gives", "parameters")]
        cells += [
            (
                row.name or "(whole)",
                row.kind,
                "" if row.shape is None else str(row.shape),
                f"{row.parameters:,}" if row.parameters else "",
            )
            for row in self.rows
        ]
        widths = [max(len(row[i]) for row in cells) for i in range(4)]
        lines = [
            "  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3].rjust(widths[3])])
            for row in cells
        ]
        rule = "-" * max(map(len, lines))
        frozen = self.parameters - self.trainable
        total = f"{self.parameters:,} parameters"
        total += f", {frozen:,} of them held fixed" if frozen else ""
        return "\n".join([lines[0].rstrip(), rule, *(x.rstrip() for x in lines[1:]), rule, total])


def summary(model: Module, *inputs: Any) -> Summary:
    """Count the parameters of each layer and of all; with an input, see what shape each gives.

        print(summary(model, images[:1]))

    The forward pass is in evaluation mode and leaves nothing behind. A parameter that two layers
    share is counted with the first.
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: model must be a Module, got {type(model).__name__}")
    shapes = _shapes(model, inputs) if inputs else {}
    seen: set[Tensor] = set()
    rows = []
    for name, module in model.named_modules():
        own = [p for p in vars(module).values() if isinstance(p, Tensor) and p not in seen]
        once = {p: p.data.size for p in own}
        seen.update(once)
        shape = shapes.get(module)
        rows.append(Row(name, type(module).__name__, shape, sum(once.values())))
    counts = [(p.data.size, p.requires_grad) for p in model.parameters()]
    return Summary(
        tuple(rows),
        sum(size for size, _ in counts),
        sum(size for size, wants in counts if wants),
    )


def _shapes(model: Module, inputs: tuple[Any, ...]) -> dict[Module, tuple[int, ...]]:
    """What each layer gives, of several outputs, the first."""
    found: dict[Module, tuple[int, ...]] = {}
    modes = [(module, module.training) for module in model.modules()]
    state = get_rng_state()
    try:
        model.eval()
        with no_grad(), _watched(model, found):
            model(*inputs)
    finally:
        for module, mode in modes:
            module.training = mode
        set_rng_state(state)
    return found


@contextmanager
def _watched(model: Module, found: dict[Module, tuple[int, ...]]) -> Iterator[None]:
    """Note what every layer gives, through a `forward` of its own that calls the class's."""
    modules = list(model.modules())
    before = [vars(module).get("forward") for module in modules]
    try:
        for module in modules:
            vars(module)["forward"] = _noting(module, module.forward, found)
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            del vars(module)["forward"]
            if own is not None:
                vars(module)["forward"] = own


def _noting(
    module: Module, forward: Callable[..., Any], found: dict[Module, tuple[int, ...]]
) -> Callable[..., Any]:
    def noted(*inputs: Any, **options: Any) -> Any:
        outputs = forward(*inputs, **options)
        first = outputs[0] if isinstance(outputs, tuple | list) and outputs else outputs
        if isinstance(first, Tensor):
            found[module] = first.shape
        return outputs

    return noted
