"""Tensors of which every process holds a part (DTensor): stepped part by part, or made whole.

What is elementwise runs over the parts that lie here as over plain tensors, and nobody is asked.
Sums over a tensor are put together once for all tensors, and matrices are gathered. Whether a
tensor is stepped so depends on what is the same in every process, since all must come to the same
exchanges: never on how its part happens to lie here.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.chain import Chain, Slot
from thalweg.fuse.plan import Pass
from thalweg.optim.memory.reach import PLAIN
from thalweg.optim.memory.traffic import note
from thalweg.parts import sees_stack

__all__ = [
    "SharingProcesses",
    "carried_by",
    "check_group",
    "cut_like",
    "is_alike",
    "is_sharded",
    "moved_in_parts",
    "of_part",
    "part_of",
    "placed_like",
    "share_out",
    "store",
    "vector_part",
    "whole",
    "whole_of",
]


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    return type(tensor) not in PLAIN and hasattr(tensor, "full_tensor")


def part_of(tensor: Any) -> Tensor:
    """What lies here of a DTensor, in the same memory; of a replicated one, all of it."""
    part: Any = tensor._local_tensor  # as to_local(), which for a parameter makes a new object
    if type(part) is not Tensor and hasattr(part, "wait"):
        part = part.wait()  # its communication may still be under way
    return part  # type: ignore[no-any-return]


def cut_like(p: Any, value: Any) -> Any:
    """A value cut up as a parameter is: a DTensor cut otherwise, or a tensor every process has."""
    if not is_sharded(value):
        from torch.distributed.tensor import DTensor, Replicate

        mesh = p.device_mesh
        value = DTensor.from_local(value, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return placed_like(p, value)


def placed_like(p: Any, value: Any) -> Any:
    """A DTensor, shared out as a parameter is."""
    if value.placements == p.placements:
        return value
    return value.redistribute(placements=p.placements)


def is_alike(p: Any, grad: Any) -> bool:
    """Whether a gradient is shared out as its parameter is; mostly both have one description."""
    if not is_sharded(grad):
        return False
    return grad._spec is p._spec or (
        grad.placements == p.placements and grad.device_mesh == p.device_mesh
    )


def store(target: Tensor, value: Tensor) -> None:
    """Copy a value into a tensor; torch does not copy between parts that are cut differently."""
    target.copy_(cut_like(target, value) if is_sharded(target) else value)


def of_part(like: Any, part: Tensor) -> Tensor:
    """A new DTensor, shared out as another is and on its device, with this part of it here."""
    with torch.no_grad():
        made = torch.empty_like(like, dtype=part.dtype, memory_format=torch.preserve_format)
        part_of(made).copy_(part)
    return made


def whole_of(like: Any, part: Tensor) -> Tensor:
    """The tensor of which every process holds a part, in each of them."""
    from torch.distributed.tensor import DTensor

    check_group()
    made = DTensor.from_local(
        part.contiguous(),
        like.device_mesh,
        like.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )
    return whole(made).to(part.device)  # a mesh of another device moves what it is given there


def whole(tensor: Any) -> Tensor:
    """All of a tensor, in every process."""
    found: Tensor = tensor.full_tensor() if is_sharded(tensor) else tensor
    return found


def vector_part(like: Any, vector: Tensor, per: str) -> Tensor:
    """Of one number per row or column of the whole, those that a process needs for its part."""
    from torch.distributed.tensor import DTensor, Replicate

    sides = [n if (axis == 0) == (per == "row") else 1 for axis, n in enumerate(like.shape)]
    placements = [
        one if _axis(one) is not None and (_axis(one) == 0) == (per == "row") else Replicate()
        for one in like.placements
    ]
    mesh = like.device_mesh
    whole = [Replicate()] * mesh.ndim
    made = DTensor.from_local(vector.reshape(sides), mesh, whole, run_check=False)
    return part_of(made.redistribute(placements=placements)).reshape(-1)


def _axis(placement: Any) -> int | None:
    """Along which axis a placement cuts; None for one that does not."""
    axis = getattr(placement, "dim", None)
    return axis if isinstance(axis, int) else None


def moved_in_parts(chain: Chain, p: Any, g: Any) -> bool:
    """Whether each process may step its own part of a parameter."""
    if chain.requests or not is_sharded(g):
        return False
    if not all(_axis(one) is not None or one.is_replicate() for one in p.placements):
        return False
    if sees_stack(chain.parts) and p.dim() > 2:
        return False  # its parts would be cut along another axis than that of rows
    rows = any(_axis(one) not in (None, 0) for one in p.placements)
    if rows and chain.reduces_rows and not chain.on_matrices:
        return False  # a row is added up while it is in the cache, and here is only some of it
    part = part_of(p)
    return type(part) in PLAIN and part.device.type == "cpu"


def share_out(
    chain: Chain, p: Any, g: Any, slots: Sequence[Slot], held: MutableMapping[str, Any]
) -> None:
    """Share states out as their parameter is, where a file has them whole or cut otherwise."""
    mesh = p.device_mesh
    if is_sharded(g) and g.device_mesh != mesh:
        raise RuntimeError(
            f"{chain.name}: a gradient must be shared out over its parameter's mesh {mesh}, "
            f"got one over {g.device_mesh}"
        )
    for slot in slots:
        there = held[slot.key]
        if slot.state.is_apart or there.shape != p.shape:
            continue
        if is_sharded(there) and there.device_mesh != mesh:
            raise RuntimeError(
                f"{chain.name}: the state {slot.key!r} must be shared out over the mesh of its "
                f"parameter, {mesh}, got one over {there.device_mesh}; what was saved on another "
                "mesh is loaded with torch.distributed.checkpoint"
            )
        if not is_sharded(there) or there.placements != p.placements:
            held[slot.key] = of_part(p, part_of(cut_like(p, there)))


def check_group() -> None:
    """Raise where no process could be asked."""
    from torch import distributed

    if not distributed.is_initialized():
        raise RuntimeError(
            "this step needs what other processes hold of the parameters that they share, and "
            "there is no process group: it was not made with "
            "torch.distributed.init_process_group(), or is destroyed already"
        )


def carried_by(group: Any, mesh: Any, tensor: Tensor) -> Tensor:
    """A tensor on a device whose tensors a group exchanges."""
    kinds = {device.type for device in group._device_types}
    return tensor if tensor.device.type in kinds else tensor.to(mesh.device_type)


class SharingProcesses:
    """The processes that share tensors out; `wholes` are the tensors of a layout, in its order, of
    which those that are DTensors have been reduced in parts."""

    def __init__(self, wholes: Sequence[Any]) -> None:
        found: dict[Any, list[int]] = {}
        for i, whole in enumerate(wholes):
            if is_sharded(whole):
                axes = tuple(k for k, one in enumerate(whole.placements) if _axis(one) is not None)
                if axes:  # else each process has all of it
                    found.setdefault((whole.device_mesh, axes), []).append(i)
        self._shared = {key: np.array(of_one) for key, of_one in found.items()}

    def together(
        self, found: Sequence[tuple[Pass, NDArray[np.int64], NDArray[np.float64]]]
    ) -> None:
        """Put together what the processes have reduced, in place: one exchange for each mesh axis
        and kind of reduction."""
        if self._shared:
            check_group()
        for (mesh, axes), own in self._shared.items():
            for is_largest in (False, True):
                self._exchanged(mesh, axes, own, found, is_largest)

    @staticmethod
    def _exchanged(
        mesh: Any,
        axes: Sequence[int],
        own: NDArray[np.int64],
        found: Sequence[tuple[Pass, NDArray[np.int64], NDArray[np.float64]]],
        is_largest: bool,
    ) -> None:
        from torch import distributed

        places, sent = [], []
        for pass_, members, sums in found:
            rows = np.flatnonzero(np.isin(members, own))
            is_one = [(x.kind == "largest") is is_largest for x in pass_.results]
            where = np.ix_(rows, np.flatnonzero(is_one))
            places.append((sums, where))
            sent.append(sums[where].reshape(-1))
        numbers = torch.from_numpy(np.concatenate(sent))
        if not numbers.numel():
            return
        how = distributed.ReduceOp.MAX if is_largest else distributed.ReduceOp.SUM
        for axis in axes:
            group = mesh.get_group(axis)
            there = carried_by(group, mesh, numbers)
            distributed.all_reduce(there, op=how, group=group)
            note(there.numel() * there.element_size(), there.numel() * there.element_size())
            numbers = there.cpu()
        ends = np.cumsum([len(one) for one in sent])[:-1]
        for (sums, where), part in zip(places, np.split(numbers.numpy(), ends), strict=True):
            sums[where] = part.reshape(sums[where].shape)
