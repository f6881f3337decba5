"""Starts the processes of a run on this machine, and ends all when one fails; on several machines torchrun does that.

The processes meet by a file in a folder that only this user can open, and talk over the loopback interface. Nothing
listens beyond it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from visplay.distributed.children import end, start
from visplay.distributed.loopback import LOOPBACK, RENDEZVOUS
from visplay.errors import DistributedError, one_line

_PAUSE_S = 0.1  # between two looks at the processes
_REPORTED = 2  # the exit status of a process that printed its error, see `visplay.cli.main`


def launch(arguments: Sequence[str], processes: int) -> int:
    """Exit status of `visplay ARGUMENTS` in several processes: that of the first failed one, or 0.

    No process remains, also after an interrupt.

    Raises:
        DistributedError: a process was killed, or failed without a word of its own, or there are too few GPUs.
    """
    gpus = torch.cuda.device_count()
    if torch.cuda.is_available() and processes > gpus:
        raise DistributedError(f"{processes} processes need a GPU each, and there are {gpus}; lower --processes")
    workers: list[subprocess.Popen[bytes]] = []
    try:
        with TemporaryDirectory(prefix="visplay-") as folder:  # of mode 0700
            try:
                for rank in range(processes):
                    workers.append(start(arguments, _environment(rank, processes, Path(folder) / "rendezvous")))
                rank, status = _first_failure(workers)
            finally:
                end(workers)
    except OSError as error:
        raise DistributedError(f"cannot start {processes} processes: {one_line(error)}; lower --processes") from None
    # Process 1 speaks for the run, and the others for themselves where they can.
    if 0 <= status < 128 and (rank == 0 or status == _REPORTED):
        return status
    how = f"was killed ({_signal_name(-status)})" if status < 0 else f"ended by itself (exit status {status})"
    raise DistributedError(
        f"process {rank + 1} of {processes} {how}; continue with `visplay evolve --resume --out DIR`"
    )


def _environment(rank: int, size: int, rendezvous: Path) -> dict[str, str]:
    """The variables of a process, which are also those of torchrun."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    # More threads than cores would slow all processes down.
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // size))
    own = {name: str(number) for name, number in numbers.items()}
    return {**LOOPBACK, **own, "OMP_NUM_THREADS": threads, RENDEZVOUS: str(rendezvous)}


def _first_failure(workers: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int]:
    """Rank and exit status of the process that failed first; (0, 0) when all have ended well."""
    while True:
        statuses = [worker.poll() for worker in workers]
        failed = [(rank, status) for rank, status in enumerate(statuses) if status]
        if failed:
            # A process that is killed makes others fail, sometimes before the next look.
            return min(failed, key=lambda found: (found[1] >= 0, found[0]))
        if None not in statuses:
            return 0, 0
        time.sleep(_PAUSE_S)


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in [*signal.Signals] else f"signal {number}"
