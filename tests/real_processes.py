"""Real processes that run a function, alone or together, as those of a run do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from tests.chat_server import free_port
from visplay.distributed.loopback import LOOPBACK, RENDEZVOUS


def preloaded() -> ForkServerContext:
    """Processes forked from a server that has imported what takes long; pytest's own threads would not survive it."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["visplay.selfplay.state", "visplay.selfplay.run", "tests.tiny_runs"])
    with pytest.MonkeyPatch.context() as patch:
        # It finds modules by its environment alone, and would preload a visplay that is installed from elsewhere.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def together(
    size: int, function: Callable[..., Any], *arguments: Any, folder: Path, as_torchrun: bool = False
) -> list[Any]:
    """What `function(*arguments)` gives in each of `size` processes, by rank; tensors and plain values.

    The processes meet as those of `visplay evolve --processes`, or by an address as those of torchrun.
    """
    context = preloaded()
    with TemporaryDirectory() as private:
        meeting = LOOPBACK | {RENDEZVOUS: str(Path(private) / "rendezvous")}
        if as_torchrun:
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        workers = [
            context.Process(target=_work, args=(rank, size, meeting, folder, function, arguments))
            for rank in range(size)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * size
    return [torch.load(folder / f"given-{rank}.pt", weights_only=True) for rank in range(size)]


def _work(
    rank: int,
    size: int,
    meeting: dict[str, str],
    folder: Path,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    os.environ |= meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    torch.set_num_threads(1)
    torch.save(function(*arguments), folder / f"given-{rank}.pt")


def visplay(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The program in a session of its own, with more environment variables."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "visplay", *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
