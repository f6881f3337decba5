"""The process of a part: `start` in a forked one, or `python -m benchmarks.gpu.process` in a new one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

from benchmarks.gpu.parts import BY_NAME

LOG = "log.txt"


def start(name: str, size: str, out: str, work: str) -> None:
    """Run a part in this process, which becomes the leader of a group of its own; its output goes to the log.

    A process that was forked from one that had used the GPU cannot use it; it starts anew.
    """
    os.setsid()
    threading.Thread(target=_end_with_command, daemon=True).start()
    log = os.open(Path(out) / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    arguments = (name, size, out, work)
    if not BY_NAME[name].beside and _is_spoiled():
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.gpu.process", *arguments])
    _run(*arguments)


def _end_with_command() -> None:
    """Kill this process with all that it started when the command has ended, even if that was killed."""
    command = multiprocessing.parent_process()
    assert command is not None
    command.join()
    os.killpg(0, signal.SIGKILL)


def _run(name: str, size: str, out: str, work: str) -> None:
    # Imported here, because `start` looks at CUDA first.
    from benchmarks.gpu.bench import Bench
    from benchmarks.gpu.findings import Findings

    print(f"== {name}", flush=True)
    BY_NAME[name].run(Bench(Findings(Path(out), name), size, Path(out), Path(work)))


def _is_spoiled() -> bool:
    """Whether PyTorch is made for GPUs and none can be used; true also on a machine without one."""
    import torch

    if not torch.backends.cuda.is_built():
        return False
    try:
        torch.zeros(1, device="cuda")
    except RuntimeError:
        return True
    return False


if __name__ == "__main__":
    _run(*sys.argv[1:])
