"""Processes that stand by and run a function on each rank of one group: started once, as most of
what a run of processes costs is their start."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

PRELOADED = [__name__, "torch.distributed.fsdp", "torch.distributed.tensor"]
_LONGEST = 120.0  # seconds, for a rank that waits for one that has failed


def _serve(rank: int, world: int, folder: str, pipe: Any) -> None:
    """One of the processes: what it is sent it runs, and sends back what came of it."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    wait = timedelta(seconds=_LONGEST / 2)
    distributed.init_process_group(
        "gloo", init_method=store, rank=rank, world_size=world, timeout=wait
    )
    try:
        while (job := pipe.recv()) is not None:
            function, args = job
            try:
                pipe.send((function(*args), ""))
            except Exception:
                pipe.send((None, traceback.format_exc()))
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


class Ranks:
    """A group of `world` processes; `run` gives what a function returns on each."""

    def __init__(self, world: int) -> None:
        self.world = world
        self._folder = tempfile.TemporaryDirectory()
        # forked from a process that has imported all of this once
        context = torch.multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._pipes, self._processes = [], []
        for rank in range(world):
            mine, theirs = context.Pipe()
            its = (rank, world, self._folder.name, theirs)
            process = context.Process(target=_serve, args=its, daemon=True)
            process.start()
            self._pipes.append(mine)
            self._processes.append(process)

    def run(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """What the function returns on each rank; where it fails on one, what is raised there."""
        for pipe in self._pipes:
            pipe.send((function, args))
        found, failed = [], []
        for rank, pipe in enumerate(self._pipes):
            assert pipe.poll(_LONGEST), f"rank {rank} gave no answer"
            value, error = pipe.recv()
            found.append(value)
            if error:
                failed.append(f"rank {rank}:\n{error}")
        assert not failed, "\n".join(failed)
        return found

    def close(self) -> None:
        """Let the processes end."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(10)
            if process.is_alive():
                process.kill()
        self._folder.cleanup()
