"""What describes a tensor in its own object says as much as torch's guards."""

import itertools
import sys

import pytest
import torch
from torch.nn import Parameter

from thalweg.optim.memory.body import words_of
from thalweg.optim.memory.snapshot import Described

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="known of Linux")


class Own(torch.Tensor):
    pass


def tensors():
    """Many, of which some are described alike."""
    for kind in (torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.int64):
        for shape in ((), (3,), (3, 1), (1, 3), (3, 4), (4, 3), (2, 3, 4), (1, 2, 3, 4, 5)):
            yield torch.ones(shape, dtype=kind)
    whole = torch.ones(6, 8)
    yield from (whole[:3, :4], whole[3:, 4:], whole[::2, ::2], whole.T[:3, :4], whole[0], whole[1])
    yield from (torch.ones(1).expand(3), torch.ones(1, 1).expand(3, 4), torch.ones(4, 3).T)
    number = torch.ones(3, dtype=torch.complex64)
    yield from (number.conj(), number.conj().imag, number.real)
    yield from (torch.ones(3, device="meta"), torch.ones(0, 3))
    yield from (
        Parameter(torch.ones(3, 4)),
        Parameter(torch.ones(3)),
        torch.ones(3).as_subclass(Own),
    )
    with torch.inference_mode():
        yield torch.ones(3, 4)


def test_what_has_the_same_words_is_described_alike():
    some = list(tensors())
    words = words_of(some)
    alike = 0
    for (i, a), (j, b) in itertools.permutations(enumerate(some), 2):
        if words.kinds[i] == words.kinds[j]:
            assert Described([a]).fits([b]), (a, b)
            alike += 1
    assert alike >= 4


def test_tensors_made_alike_have_the_same_words():
    kept = [torch.ones(3, 4) for _ in range(50)]
    kept += [torch.ones(n, n, n)[:3, :4, 0].contiguous() for n in range(5, 9)]
    kept += [torch.ones(200)[n : n + 12].view(3, 4) for n in range(20)]
    kept += [(torch.ones(3, 4, requires_grad=True) * n).detach() for n in range(20)]
    assert len(words_of(kept).distinct) == 1


def test_of_more_axes_than_lie_in_an_object_nothing_is_said():
    assert words_of([torch.ones(3), torch.ones(1, 2, 1, 2, 1, 2)]) is None
