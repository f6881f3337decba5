"""Runs in processes of their own, a core each: `visplay evolve`, started, watched, ended.

Left out: machines other than this one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType, TracebackType

from visplay.tools.ablation.matrix import Run

_PAUSE = 0.2  # seconds between two looks at the processes


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class Processes:
    """At most `most` runs at once; none is left when the block ends, however it ends.

    A run that is ended early is as resumable as one that was killed.
    """

    def __init__(self, most: int) -> None:
        cores = usable_cores()
        # With fewer processes than cores something else is meant to run beside them, perhaps on the very core we chose.
        self._free: list[int | None] = [*cores] if most == len(cores) else [None] * most
        self._running: dict[subprocess.Popen[bytes], tuple[Run, int | None]] = {}

    def __enter__(self) -> Processes:
        self._before = signal.signal(signal.SIGTERM, _leave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait()
        signal.signal(signal.SIGTERM, self._before)

    @property
    def full(self) -> bool:
        """Nothing can be started before something ends."""
        return not self._free

    @property
    def idle(self) -> bool:
        """Nothing runs."""
        return not self._running

    def start(self, run: Run) -> None:
        """Begin a run, or go on with it; what it prints is added to its log."""
        core = self._free.pop()
        with run.log.open("ab") as log:
            process = subprocess.Popen(
                command(run), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_environment()
            )
        self._running[process] = run, core
        # Done from here, as little is safe between fork and exec; threads that the process starts later stay there too.
        if core is not None and hasattr(os, "sched_setaffinity"):
            with suppress(OSError):
                os.sched_setaffinity(process.pid, {core})

    def wait(self) -> tuple[Run, str | None]:
        """The run that ends next and, when it failed, one line that says why."""
        while True:
            for process, (run, core) in self._running.items():
                if process.poll() is not None:
                    del self._running[process]
                    self._free.append(core)
                    return run, _failure(run, process.returncode)
            time.sleep(_PAUSE)


def command(run: Run) -> list[str]:
    """The command line of a run: a new one, or the rest of one that was begun."""
    evolve = [sys.executable, "-m", "visplay", "evolve", "--out", str(run.path)]
    if run.begun:
        return [*evolve, "--resume"]
    return [*evolve, "--preset", str(run.preset), "--seed", str(run.settings.seed)]


def _environment() -> dict[str, str]:
    # Unbuffered, so that a log can be followed, and ends with the error that ended the run.
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def _failure(run: Run, code: int) -> str | None:
    if code == 0:
        return None
    if code < 0:
        return f"ended by signal {-code}"
    told = run.log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(told) if line.strip()), f"exit code {code}")


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that passes through the block above, which ends the runs."""
    raise SystemExit(128 + number)
