"""One layer of a recurrent network over a whole sequence, in one direction, with its gradients.

x is (L, N, in), the weights have torch's form and order of gates, and h0 (and c0) are (N, H). The
products of x with its weights are one for the whole sequence; only what depends on the step before
is done step by step. Going backwards, a loop finds the gradients of what goes into the gates, and
products over the whole sequence make of these the gradients of everything else.
"""

from collections.abc import Sequence

import numpy as np

from thalweg.mytorch.blas import product
from thalweg.mytorch.tensor import Pullback, Tensor, record

__all__ = ["gru_scan", "lstm_scan", "rnn_scan"]


def rnn_scan(x: Tensor, h0: Tensor, weights: Sequence[Tensor], nonlinearity: str) -> Tensor:
    """The hidden states (L, N, H): `h = tanh(W_ih x + b_ih + W_hh h + b_hh)`, or relu for tanh."""
    return _recorded("rnn", _Rnn(x, h0, weights, nonlinearity), x, h0, weights)


def gru_scan(x: Tensor, h0: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """The hidden states (L, N, H).

    r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
    n    = tanh(W_in x + b_in + r (W_hn h + b_hn))
    h    = (1 - z) n + z h
    """
    return _recorded("gru", _Gru(x, h0, weights), x, h0, weights)


def lstm_scan(x: Tensor, h0: Tensor, c0: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """The hidden states of every step and behind them the last cell: (L + 1, N, H).

    i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
    g       = tanh(the same, of its own weights)
    c       = f c + i g
    h       = o tanh(c)
    """
    scan = _Lstm(x, h0, c0, weights)
    return _recorded("lstm", scan, x, h0, weights, (c0, scan.pull("c0")))


class _Scan:
    """What the kinds have in common: gates are (L, N, kinds H), states (L + 1, N, H)."""

    def __init__(self, x: Tensor, h0: Tensor, weights: Sequence[Tensor]) -> None:
        self.w_ih, self.w_hh = weights[0].data, weights[1].data
        self.length, self.batch, self.hidden = *x.shape[:2], self.w_hh.shape[1]
        self.rows = x.data.reshape(-1, x.shape[2])
        self.h = np.empty((self.length + 1, self.batch, self.hidden), x.dtype)
        self.h[0] = h0.data
        self.gates = product(self.rows, self.w_ih.T).reshape(*x.shape[:2], len(self.w_ih))
        self._found: dict[str, np.ndarray] | None = None

    def result(self) -> np.ndarray:
        return self.h[1:]

    def pull(self, name: str) -> Pullback:
        def give(g: np.ndarray) -> np.ndarray:
            if self._found is None:
                self._found = self.backward(g)
            gradient: np.ndarray = getattr(self, f"_of_{name}")(self._found)
            return gradient

        return give

    def backward(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """The gradients of what goes into the gates from x ("in") and from h ("back"), and of h0
        (and c0), out of that of the result."""
        raise NotImplementedError

    def _of_x(self, found: dict[str, np.ndarray]) -> np.ndarray:
        into = found["in"].reshape(len(self.rows), -1)
        return product(into, self.w_ih).reshape(self.length, self.batch, -1)

    def _of_w_ih(self, found: dict[str, np.ndarray]) -> np.ndarray:
        return product(found["in"].reshape(len(self.rows), -1).T, self.rows)

    def _of_w_hh(self, found: dict[str, np.ndarray]) -> np.ndarray:
        before = self.h[:-1].reshape(len(self.rows), self.hidden)
        return product(found["back"].reshape(len(self.rows), -1).T, before)

    def _of_b_ih(self, found: dict[str, np.ndarray]) -> np.ndarray:
        result: np.ndarray = found["in"].sum(axis=(0, 1))
        return result

    def _of_b_hh(self, found: dict[str, np.ndarray]) -> np.ndarray:
        result: np.ndarray = found["back"].sum(axis=(0, 1))
        return result

    def _of_h0(self, found: dict[str, np.ndarray]) -> np.ndarray:
        return found["h0"]

    def _of_c0(self, found: dict[str, np.ndarray]) -> np.ndarray:
        return found["c0"]


def _recorded(
    op: str,
    scan: _Scan,
    x: Tensor,
    h0: Tensor,
    weights: Sequence[Tensor],
    *more: tuple[Tensor, Pullback],
) -> Tensor:
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    parents = [(one, scan.pull(name)) for one, name in zip(weights, names, strict=False)]
    return record(op, scan.result(), (x, scan.pull("x")), (h0, scan.pull("h0")), *parents, *more)


class _Rnn(_Scan):
    def __init__(self, x: Tensor, h0: Tensor, weights: Sequence[Tensor], nonlinearity: str) -> None:
        super().__init__(x, h0, weights)
        self.is_tanh = nonlinearity == "tanh"
        for bias in weights[2:]:
            self.gates += bias.data
        back = np.ascontiguousarray(self.w_hh.T)
        for t, gate in enumerate(self.gates):
            gate += product(self.h[t], back)
            if self.is_tanh:
                np.tanh(gate, out=self.h[t + 1])
            else:
                np.maximum(gate, 0, out=self.h[t + 1])

    def backward(self, g: np.ndarray) -> dict[str, np.ndarray]:
        h = self.h[1:]
        slopes = 1 - h * h if self.is_tanh else (h > 0).astype(h.dtype)
        carried = np.zeros(h.shape[1:], h.dtype)
        for t in range(self.length - 1, -1, -1):
            carried += g[t]
            slopes[t] *= carried
            carried = product(slopes[t], self.w_hh)
        return {"in": slopes, "back": slopes, "h0": carried}


class _Lstm(_Scan):
    """Gates in the order i, f, g, o. `sigmoid(x) = (1 + tanh(x / 2)) / 2`, so that one tanh does
    for all four."""

    def __init__(self, x: Tensor, h0: Tensor, c0: Tensor, weights: Sequence[Tensor]) -> None:
        super().__init__(x, h0, weights)
        size = self.hidden
        for bias in weights[2:]:
            self.gates += bias.data
        half = np.full(4 * size, 0.5, x.dtype)
        half[2 * size : 3 * size] = 1
        rest = 1 - half
        rest[2 * size : 3 * size] = 0
        self.gates *= half
        back = self.w_hh.T * half
        self.c = np.empty_like(self.h)
        self.c[0] = c0.data
        self.tanh_c = np.empty_like(self.h[1:])
        for t, gate in enumerate(self.gates):
            gate += product(self.h[t], back)
            np.tanh(gate, out=gate)
            gate *= half
            gate += rest
            i, f, g, o = self._parts(gate)
            np.multiply(f, self.c[t], out=self.c[t + 1])
            self.c[t + 1] += i * g
            np.tanh(self.c[t + 1], out=self.tanh_c[t])
            np.multiply(o, self.tanh_c[t], out=self.h[t + 1])

    def _parts(self, gates: np.ndarray) -> tuple[np.ndarray, ...]:
        size = self.hidden
        return tuple(gates[..., k * size : (k + 1) * size] for k in range(4))

    def result(self) -> np.ndarray:
        return np.concatenate([self.h[1:], self.c[-1:]])

    def backward(self, g: np.ndarray) -> dict[str, np.ndarray]:
        i, f, new, o = self._parts(self.gates)
        into = np.empty_like(self.gates)  # first what a gate's gradient is to that of c, or h
        for part, values in zip(
            self._parts(into),
            (
                new * i * (1 - i),
                self.c[:-1] * f * (1 - f),
                i * (1 - new * new),
                self.tanh_c * o * (1 - o),
            ),
            strict=True,
        ):
            part[...] = values
        c_of_h = o * (1 - self.tanh_c * self.tanh_c)
        cell_gates = into.reshape(self.length, self.batch, 4, self.hidden)[:, :, :3]
        output_gate = self._parts(into)[3]
        dh, dc = np.zeros_like(self.h[0]), g[-1].copy()
        for t in range(self.length - 1, -1, -1):
            dh += g[t]
            dc += dh * c_of_h[t]
            cell_gates[t] *= dc[:, None]
            output_gate[t] *= dh
            dc *= f[t]
            dh = product(into[t], self.w_hh)
        return {"in": into, "back": into, "h0": dh, "c0": dc}


class _Gru(_Scan):
    """Gates in the order r, z, n."""

    def __init__(self, x: Tensor, h0: Tensor, weights: Sequence[Tensor]) -> None:
        super().__init__(x, h0, weights)
        size = self.hidden
        if len(weights) > 2:
            self.gates += weights[2].data
        b_hh = weights[3].data if len(weights) > 2 else x.dtype.type(0)
        back = np.ascontiguousarray(self.w_hh.T)
        self.n_of_h = np.empty_like(self.h[1:])  # W_hn h + b_hn
        for t, gate in enumerate(self.gates):
            of_h = product(self.h[t], back)
            of_h += b_hh
            both, n = gate[:, : 2 * size], gate[:, 2 * size :]
            both += of_h[:, : 2 * size]
            both *= 0.5
            np.tanh(both, out=both)
            both *= 0.5
            both += 0.5
            r, z = both[:, :size], both[:, size:]
            self.n_of_h[t] = of_h[:, 2 * size :]
            n += r * self.n_of_h[t]
            np.tanh(n, out=n)
            np.multiply(z, self.h[t] - n, out=self.h[t + 1])
            self.h[t + 1] += n

    def backward(self, g: np.ndarray) -> dict[str, np.ndarray]:
        kinds = self.gates.reshape(self.length, self.batch, 3, self.hidden)
        r, z, n = (kinds[:, :, k] for k in range(3))
        into = np.empty_like(kinds)  # first what a gate's gradient is to that of h
        into[:, :, 1] = (self.h[:-1] - n) * z * (1 - z)
        into[:, :, 2] = (1 - z) * (1 - n * n)
        into[:, :, 0] = into[:, :, 2] * self.n_of_h * r * (1 - r)
        back = into.copy()
        back[:, :, 2] *= r
        flat = back.reshape(self.gates.shape)
        dh = np.zeros_like(self.h[0])
        for t in range(self.length - 1, -1, -1):
            dh += g[t]
            into[t] *= dh[:, None]
            back[t] *= dh[:, None]
            dh = product(flat[t], self.w_hh) + dh * z[t]
        return {"in": into.reshape(self.gates.shape), "back": flat, "h0": dh}
