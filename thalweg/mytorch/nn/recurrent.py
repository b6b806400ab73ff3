"""Networks that read a sequence step by step and remember: RNN, LSTM, GRU."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_default, check_floats, check_positive, check_share
from thalweg.mytorch.joining import cat, stack
from thalweg.mytorch.nn import init
from thalweg.mytorch.nn.dropout import dropout as drop
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.scan import gru_scan, lstm_scan, rnn_scan
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["GRU", "LSTM", "RNN"]


class _Recurrent(Module):
    """Layers above each other, each in one or two directions, with torch's names and order."""

    gates = 1
    states: tuple[str, ...] = ("h_0",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        title = type(self).__name__
        self.input_size = check_positive(title, "input_size", input_size)
        self.hidden_size = check_positive(title, "hidden_size", hidden_size)
        self.num_layers = check_positive(title, "num_layers", num_layers)
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout = check_share(title, "dropout", dropout)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{title}: dropout is between layers, and there is only one: dropout={dropout} "
                "does nothing with num_layers=1",
                stacklevel=2 + ("__init__" in vars(type(self))),
            )
        self._cells = [
            f"_l{layer}{direction}"
            for layer in range(num_layers)
            for direction in ("", "_reverse")[: 1 + bidirectional]
        ]
        for number, cell in enumerate(self._cells):
            first_layer = number <= bidirectional
            width = input_size if first_layer else hidden_size * (1 + bidirectional)
            self._add_cell(cell, width, dtype)
        self.reset_parameters()

    def _add_cell(self, cell: str, width: int, dtype: DTypeLike) -> None:
        height = self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (height, width),
            "weight_hh": (height, self.hidden_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (height,), "bias_hh": (height,)}
        for name, shape in shapes.items():
            setattr(self, name + cell, Parameter(np.empty(shape, dtype)))

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew, uniform within 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: torch's networks call it, and only a GPU has a use for it."""

    def _weights(self, cell: str) -> list[Tensor]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        return [getattr(self, name + cell) for name in names]

    def _scan(self, x: Tensor, states: Sequence[Tensor], cell: str) -> tuple[Tensor, list[Tensor]]:
        """One layer in one direction: all hidden states, and each state at the end."""
        raise NotImplementedError

    def _run(self, input: Tensor | ArrayLike, given: Sequence[Any]) -> tuple[Tensor, list[Tensor]]:
        """The outputs, and the states at the end, each (layers directions, N, H)."""
        title = type(self).__name__
        x = as_tensor(input)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            form = "(N, L, {0})" if self.batch_first else "(L, N, {0})"
            raise ValueError(
                f"{title}: input must be {form.format(self.input_size)} or, without a batch, "
                f"(L, {self.input_size}), got {x.shape}"
            )
        check_floats(title, input=x, weight=self.weight_ih_l0)  # type: ignore[attr-defined]
        is_alone = x.ndim == 2
        if is_alone:
            x = x.reshape(x.shape[0], 1, x.shape[1])
        elif self.batch_first:
            x = x.transpose(0, 1)
        if not x.shape[0]:
            raise ValueError(f"{title}: the sequence must have at least one step, got {x.shape}")
        starts = [
            self._start(name, one, x, is_alone)
            for name, one in zip(self.states, given, strict=True)
        ]
        y, ends = self._layers(x, starts)
        finals = [stack(each) for each in ends]
        if is_alone:
            return y.reshape(y.shape[0], y.shape[2]), [_without_batch(one) for one in finals]
        return y.transpose(0, 1) if self.batch_first else y, finals

    def _start(self, name: str, given: Any, x: Tensor, is_alone: bool) -> Tensor:
        shape = (len(self._cells), x.shape[1], self.hidden_size)
        if given is None:
            return Tensor(np.zeros(shape, x.dtype))
        start = as_tensor(given)
        wanted = (shape[0], shape[2]) if is_alone else shape
        if start.shape != wanted:
            raise ValueError(
                f"{type(self).__name__}: {name} must be {wanted}, (layers and directions"
                f"{'' if is_alone else ', N'}, hidden_size), got {start.shape}"
            )
        check_floats(type(self).__name__, input=x, **{name: start})
        return start.reshape(shape)

    def _layers(self, x: Tensor, starts: Sequence[Tensor]) -> tuple[Tensor, list[list[Tensor]]]:
        ends: list[list[Tensor]] = [[] for _ in self.states]
        directions = 1 + self.bidirectional
        for first in range(0, len(self._cells), directions):
            if first and self.dropout:
                x = drop(x, self.dropout, self.training)
            sides = []
            for number in range(first, first + directions):
                own = [start[number] for start in starts]
                is_reverse = number > first
                y, last = self._scan(x[::-1] if is_reverse else x, own, self._cells[number])
                sides.append(y[::-1] if is_reverse else y)
                for found, one in zip(ends, last, strict=True):
                    found.append(one)
            x = cat(sides, -1) if len(sides) > 1 else sides[0]
        return x, ends

    def describe(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"bias={self.bias}, batch_first={self.batch_first}, dropout={self.dropout}, "
            f"bidirectional={self.bidirectional}"
        )


class RNN(_Recurrent):
    """The plain recurrent network: it forgets after some tens of steps, which LSTM and GRU do not.

        h = tanh(W_ih x + b_ih + W_hh h + b_hh)

    Called with a sequence (L, N, input_size), or (N, L, input_size) with `batch_first`, it gives
    the hidden states of every step and those at the end, (layers directions, N, hidden_size). A
    second argument, `h_0`, is where to begin; zeros unless given. `dropout` is between layers.

    Differs: no packed sequences.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype=dtype,
        )

    def forward(
        self, input: Tensor | ArrayLike, h_0: Tensor | ArrayLike | None = None
    ) -> tuple[Tensor, Tensor]:
        y, (h_n,) = self._run(input, [h_0])
        return y, h_n

    def _scan(self, x: Tensor, states: Sequence[Tensor], cell: str) -> tuple[Tensor, list[Tensor]]:
        y = rnn_scan(x, states[0], self._weights(cell), self.nonlinearity)
        return y, [y[-1]]


class LSTM(_Recurrent):
    """A recurrent network with a memory, which gates write, keep and read: for long sequences.

        i, f, g, o = the four parts of W_ih x + b_ih + W_hh h + b_hh
        c = sigmoid(f) c + sigmoid(i) tanh(g)
        h = sigmoid(o) tanh(c)

    `output, (h_n, c_n) = lstm(x, (h_0, c_0))`, with the shapes of RNN.

    Paper: Hochreiter and Schmidhuber 1997.
    Differs: no packed sequences, no `proj_size`.
    """

    gates, states = 4, ("h_0", "c_0")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check_default("LSTM", "proj_size", proj_size, 0, "put a Linear behind it instead")
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype=dtype,
        )

    def forward(
        self, input: Tensor | ArrayLike, hx: tuple[Any, Any] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if hx is not None and (not isinstance(hx, tuple | list) or len(hx) != 2):
            raise TypeError(f"LSTM: hx must be a pair (h_0, c_0), got {type(hx).__name__}")
        y, (h_n, c_n) = self._run(input, hx or (None, None))
        return y, (h_n, c_n)

    def _scan(self, x: Tensor, states: Sequence[Tensor], cell: str) -> tuple[Tensor, list[Tensor]]:
        both = lstm_scan(x, states[0], states[1], self._weights(cell))
        return both[:-1], [both[-2], both[-1]]


class GRU(_Recurrent):
    """LSTM's idea with two gates and no memory beside h: fewer weights, often as good.

        r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
        n = tanh(W_in x + b_in + r (W_hn h + b_hn))
        h = (1 - z) n + z h

    Called as RNN.

    Paper: Cho et al. 2014, arXiv:1406.1078.
    Differs: no packed sequences.
    """

    gates = 3

    def forward(
        self, input: Tensor | ArrayLike, h_0: Tensor | ArrayLike | None = None
    ) -> tuple[Tensor, Tensor]:
        y, (h_n,) = self._run(input, [h_0])
        return y, h_n

    def _scan(self, x: Tensor, states: Sequence[Tensor], cell: str) -> tuple[Tensor, list[Tensor]]:
        y = gru_scan(x, states[0], self._weights(cell))
        return y, [y[-1]]


def _without_batch(final: Tensor) -> Tensor:
    return final.reshape(final.shape[0], final.shape[2])
