"""Processes of this program that this program starts. They end when it ends, even by kill -9.

Left out: systems other than Linux, where nothing ends a process whose parent was killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

_PARENT = "VISPLAY_PARENT"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_GRACE_S = 10.0


def start(
    arguments: Sequence[str], environment: Mapping[str, str], log: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """`visplay ARGUMENTS` in a process of its own; `environment` adds to this process's. What it prints goes to `log`.

    It does not see Ctrl-C. Whoever started it ends it, with `end`.
    """
    # A Python that was told a module's name looks for all modules in the working directory first, and so did this
    # process if it was started in that way. Otherwise no file of that folder may become code.
    safe = [] if sys.path[:1] == [os.getcwd()] else ["-P"]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(
            [sys.executable, *safe, "-m", "visplay", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment, _PARENT: str(os.getpid())},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def end_with_parent() -> None:
    """In a process of `start`: be killed as soon as its parent ends. In any other process: nothing."""
    parent = os.environ.pop(_PARENT, None)
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before
        sys.exit(1)


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask the processes to end, and kill those that have not ended after some seconds."""
    left = [process for process in processes if process.poll() is None]
    for process in left:
        process.terminate()
    deadline = time.monotonic() + _GRACE_S
    for process in left:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
