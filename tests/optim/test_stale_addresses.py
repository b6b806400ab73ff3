"""No address is used that a step was not given: the memory behind others is made inaccessible."""

import signal
import subprocess
import sys

import pytest

from tests.optim.runs import OURS

# Each tensor lies on pages of its own. Those that are given up are made inaccessible: who reads or
# writes there ends the process.
GUARDED = """
import ctypes, mmap, sys
import torch
from torch.nn import Parameter
import thalweg.optim as optim

libc = ctypes.CDLL(None, use_errno=True)
kept = []


class Pages:
    def __init__(self, like):
        self.memory = mmap.mmap(-1, mmap.PAGESIZE * (1 + like.numel() * 4 // mmap.PAGESIZE))
        kept.append(self.memory)
        flat = torch.frombuffer(self.memory, dtype=torch.float32, count=like.numel())
        self.tensor = flat.view(like.shape).copy_(like)

    def give_up(self):
        at = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        assert libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(len(self.memory)), 0) == 0


def give_gradients(but=None):
    found = []
    for p in params:
        found.append(None if p is but else Pages(torch.randn(p.shape)))
        p.grad = found[-1] and found[-1].tensor
    return found


def step(but=None):
    now = give_gradients(but)
    for pages in old:
        if pages is not None:
            pages.give_up()
    opt.step()
    old[:] = now


params = [Parameter(Pages(torch.randn(shape)).tensor) for shape in ((64, 3), (7,), ())]
opt = getattr(optim, sys.argv[1])(params, **eval(sys.argv[2]))
old = []
for _ in range(12):
    step()
assert opt._prepared.taken >= 9
lying = {}  # where each tensor has been moved to
for p in params * 2:
    for _ in range(40):
        step()
    before = opt._prepared.taken
    step(but=p)  # whose gradient's pages are given up, and it has no other
    assert opt._prepared.taken == before + 1
    step()
    for where in ("p", *opt.state[p]):
        tensor = p.data if where == "p" else opt.state[p][where]
        if where == "step":
            continue
        pages = Pages(tensor)
        if where == "p":
            p.data = pages.tensor
        else:
            opt.state[p][where] = pages.tensor
        if (id(p), where) in lying:
            lying[id(p), where].give_up()
        lying[id(p), where] = pages
        for _ in range(3):
            step()
if sys.argv[3:] == ["and read"]:
    next(iter(lying.values())).give_up()
    step()
print(opt._prepared.taken, all(bool(p.isfinite().all()) for p in params))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pages are made inaccessible by mprotect")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Ranger", "LAMB"])
def test_no_address_is_used_that_this_step_was_not_given(name):
    command = [sys.executable, "-c", GUARDED, name, repr(OURS[name])]
    ended = subprocess.run([*command, "and read"], capture_output=True)
    assert ended.returncode == -signal.SIGSEGV
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    taken, is_finite = done.stdout.split()
    assert int(taken) > 100
    assert is_finite == "True"
