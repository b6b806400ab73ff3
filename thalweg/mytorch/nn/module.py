"""What a layer is: parameters, layers within it, and a forward pass."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.graph import quiet
from thalweg.mytorch.tensor import Tensor

__all__ = ["Module", "Parameter"]

_Self = TypeVar("_Self", bound="Module")


class Parameter(Tensor):
    """A tensor that training changes.

    It keeps a C-contiguous copy of what it is made of, and keeps it in the same place: assigning
    to `data` writes into that memory, so an optimizer may hold its address. Only `Module.to` moves
    it, since another type needs other memory.
    """

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = True) -> None:
        self._memory = np.array(Tensor(data).data, order="C")
        super().__init__(self._memory, requires_grad=requires_grad)

    @property
    def data(self) -> np.ndarray:
        return self._memory

    @data.setter
    def data(self, values: np.ndarray) -> None:
        if values is self._memory:  # how `parameter.data -= x` ends
            return
        if np.shape(values) != self._memory.shape:
            raise ValueError(
                f"Parameter: data must keep its shape {self._memory.shape}, got {np.shape(values)}"
            )
        self._memory[...] = values

    def _move_to(self, dtype: np.dtype) -> None:
        self._memory = self._memory.astype(dtype)
        self.grad = None if self.grad is None else self.grad.astype(dtype)

    def __repr__(self) -> str:
        return f"Parameter of {super().__repr__()}"


class Module:
    """A layer, or a network of layers: subclass it, assign layers and parameters, write `forward`.

    Every attribute that is a Parameter or a Module belongs to it, under the attribute's name; the
    names of deeper ones are joined with dots, as in torch. Layers in a plain list are not found:
    put them into a ModuleList or a Sequential. Arrays that belong to the state and are not trained
    are named by `register_buffer`.
    """

    training: bool = True
    _buffers: tuple[str, ...] = ()

    def forward(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, x)")

    @quiet
    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.forward(*inputs, **options)

    def register_buffer(self, name: str, values: ArrayLike | None) -> None:
        """Keep an array under this name, in the state but out of the gradients' reach."""
        self._buffers = (*self._buffers, name)
        setattr(self, name, None if values is None else np.array(values))

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The layers directly within, by attribute."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator["Module"]:
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all within it, each under its dotted name; a shared one comes once."""
        seen: set[Module] = set()
        for name, module in self._named_modules(prefix):
            if module not in seen:
                seen.add(module)
                yield name, module

    def modules(self) -> Iterator["Module"]:
        return (module for _, module in self.named_modules())

    def _named_modules(self, prefix: str) -> Iterator[tuple[str, "Module"]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._named_modules(_join(prefix, name))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter within, under its dotted name; a shared one comes once."""
        seen: set[Parameter] = set()
        for name, parameter in self._entries():
            if isinstance(parameter, Parameter) and parameter not in seen:
                seen.add(parameter)
                yield name, parameter

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        """Every buffer within, under its dotted name."""
        for name, value in self._entries():
            if not isinstance(value, Parameter):
                yield name, value

    def _entries(self) -> Iterator[tuple[str, Parameter | np.ndarray]]:
        """Parameters and buffers in torch's order: a module's own before its children's."""
        for prefix, module in self._named_modules(""):
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield _join(prefix, name), value
            for name in module._buffers:
                if getattr(module, name) is not None:
                    yield _join(prefix, name), getattr(module, name)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers, by torch's names.

        Differs: torch's arrays share the memory of the module's and change with them.
        """
        return {name: _array_of(value).copy() for name, value in self._entries()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the values of all parameters and buffers; if one does not fit, take none.

        The values may be arrays or torch's tensors on the CPU.
        """
        own = {name: _array_of(value) for name, value in self._entries()}
        values = self._fitting(state, own)
        for name, array in own.items():
            array[...] = values[name]

    def _fitting(
        self, state: Mapping[str, Any], own: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        title = f"{type(self).__name__}.load_state_dict"
        missing = [name for name in own if name not in state]
        unknown = [name for name in state if name not in own]
        if missing or unknown:
            faults = [f"lacks {', '.join(missing)}"] * bool(missing)
            faults += [f"has {', '.join(unknown)}, which this module does not"] * bool(unknown)
            raise ValueError(f"{title}: the state {' and '.join(faults)}")
        values = {}
        for name, array in own.items():
            value = values[name] = np.asarray(state[name])
            if value.shape != array.shape:
                raise ValueError(
                    f"{title}: {name} must have shape {array.shape}, got {value.shape}"
                )
            if not np.can_cast(value.dtype, array.dtype, "same_kind"):
                raise TypeError(f"{title}: {name} must be {array.dtype}, got {value.dtype}")
        return values

    def train(self: _Self, mode: bool = True) -> _Self:
        """Behave as in training: Dropout drops, BatchNorm uses the batch's own statistics."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: _Self) -> _Self:
        """Behave as in use, after training."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def to(self: _Self, *where: Any, device: Any = None, dtype: DTypeLike | None = None) -> _Self:
        """Turn all floats within into float32 or float64; build the optimizer after this.

        `to(np.float64)`, `to("float64")`; a device may be named too, as in torch, and must be the
        CPU.
        """
        wanted = _type_wanted(where, device, dtype)
        if wanted is None:
            return self
        for parameter in self.parameters():
            parameter._move_to(wanted)
        for module in self.modules():
            for name in module._buffers:
                values = getattr(module, name)
                if values is not None and values.dtype.kind == "f":
                    setattr(module, name, values.astype(wanted))
        return self

    def cpu(self: _Self) -> _Self:
        """The module itself: it is there already."""
        return self

    def cuda(self: _Self, device: Any = None) -> _Self:
        return self.to("cuda" if device is None else f"cuda:{device}")

    def float(self: _Self) -> _Self:
        return self.to(np.float32)

    def double(self: _Self) -> _Self:
        return self.to(np.float64)

    def requires_grad_(self: _Self, requires_grad: bool = True) -> _Self:
        """Let all parameters within want gradients, or none of them: a part that is to stay."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def apply(self: _Self, function: Callable[["Module"], Any]) -> _Self:
        """Call a function with every module within, inner ones first, and with this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def describe(self) -> str:
        """The settings, as `repr` shows them between the parentheses."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}" for name, child in self.named_children()]
        inner = "".join(f"\n  {line}" for child in children for line in child.splitlines())
        return f"{type(self).__name__}({self.describe()}{inner}{chr(10) * bool(inner)})"


# the devices that torch knows by name, with or without a number behind
_DEVICES = ("cpu", "cuda", "mps", "xpu", "xla", "hpu", "mtia", "ipu", "vulkan", "meta")


def _type_wanted(where: tuple[Any, ...], device: Any, dtype: Any) -> np.dtype | None:
    """What `to` was asked for: a type, or none where it is only told the device it is on."""
    devices, types = [device], [dtype]
    for one in where:
        is_device = str(one).partition(":")[0] in _DEVICES
        (devices if is_device else types).append(one)
    elsewhere = [one for one in devices if one is not None and not str(one).startswith("cpu")]
    if elsewhere:
        raise ValueError(
            f"Module.to: device must be 'cpu', got {str(elsewhere[0])!r}: mytorch computes with "
            "NumPy, which has no other; for a GPU, write the network in torch and step it with "
            "thalweg.optim"
        )
    named = [one for one in types if one is not None]
    if len(named) > 1:
        raise TypeError(f"Module.to: there must be one dtype, got {named[0]!r} and {named[1]!r}")
    return _float_type(named[0]) if named else None


def _float_type(dtype: Any) -> np.dtype:
    try:
        wanted = np.dtype(str(dtype).removeprefix("torch.") if "torch." in str(dtype) else dtype)
    except TypeError:
        raise TypeError(f"Module.to: dtype must be float32 or float64, got {dtype!r}") from None
    if wanted not in (np.float32, np.float64):
        raise TypeError(f"Module.to: dtype must be float32 or float64, got {wanted}")
    return wanted


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _array_of(value: Parameter | np.ndarray) -> np.ndarray:
    return value.data if isinstance(value, Parameter) else value
