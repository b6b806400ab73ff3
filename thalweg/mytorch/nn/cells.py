"""One step of RNN, LSTM and GRU: for loops over time that are written by hand."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_floats, check_positive
from thalweg.mytorch.nn import init
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.scan import gru_scan, lstm_scan, rnn_scan
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Module):
    """Weights of one layer and direction, under torch's names."""

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        title = type(self).__name__
        self.input_size = check_positive(title, "input_size", input_size)
        self.hidden_size = check_positive(title, "hidden_size", hidden_size)
        height = self.gates * hidden_size
        self.weight_ih = Parameter(np.empty((height, input_size), dtype))
        self.weight_hh = Parameter(np.empty((height, hidden_size), dtype))
        self.bias_ih = Parameter(np.empty(height, dtype)) if bias else None
        self.bias_hh = Parameter(np.empty(height, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew, uniform within 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _weights(self) -> list[Tensor]:
        given = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return [one for one in given if one is not None]

    def _step(self, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        """The next states (N, H) from a sequence of one step."""
        raise NotImplementedError

    def _run(self, input: Tensor | ArrayLike, **given: Any) -> list[Tensor]:
        title = type(self).__name__
        x = as_tensor(input)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{title}: input must be (N, {self.input_size}) or, without a batch, "
                f"({self.input_size},), got {x.shape}"
            )
        check_floats(title, input=x, weight=self.weight_ih)
        wanted = (*x.shape[:-1], self.hidden_size)
        rows = x.reshape(1, -1, self.input_size)
        starts = []
        for name, value in given.items():
            state = Tensor(np.zeros(wanted, x.dtype)) if value is None else as_tensor(value)
            if state.shape != wanted:
                raise ValueError(f"{title}: {name} must be {wanted}, got {state.shape}")
            check_floats(title, input=x, **{name: state})
            starts.append(state.reshape(rows.shape[1], self.hidden_size))
        return [state.reshape(wanted) for state in self._step(rows, starts)]

    def describe(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias_ih is not None}"


class RNNCell(_Cell):
    """One step of RNN: `h = cell(x, h)`, with x (N, input_size) and h (N, hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}"
            )
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias, dtype=dtype)

    def forward(self, input: Tensor | ArrayLike, hx: Tensor | ArrayLike | None = None) -> Tensor:
        return self._run(input, hx=hx)[0]

    def _step(self, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        return [rnn_scan(x, states[0], self._weights(), self.nonlinearity)[-1]]


class LSTMCell(_Cell):
    """One step of LSTM: `h, c = cell(x, (h, c))`, each (N, hidden_size)."""

    gates = 4

    def forward(
        self, input: Tensor | ArrayLike, hx: tuple[Any, Any] | None = None
    ) -> tuple[Tensor, Tensor]:
        if hx is not None and (not isinstance(hx, tuple | list) or len(hx) != 2):
            raise TypeError(f"LSTMCell: hx must be a pair (h, c), got {type(hx).__name__}")
        h, c = hx or (None, None)
        h_next, c_next = self._run(input, h=h, c=c)
        return h_next, c_next

    def _step(self, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        both = lstm_scan(x, states[0], states[1], self._weights())
        return [both[0], both[1]]


class GRUCell(_Cell):
    """One step of GRU: `h = cell(x, h)`, with x (N, input_size) and h (N, hidden_size)."""

    gates = 3

    def forward(self, input: Tensor | ArrayLike, hx: Tensor | ArrayLike | None = None) -> Tensor:
        return self._run(input, hx=hx)[0]

    def _step(self, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        return [gru_scan(x, states[0], self._weights())[-1]]
