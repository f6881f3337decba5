"""Equality of formulas, decided in a process of its own within limits of time and memory.

The process is started when the first formulas are compared, and again after a formula was too much for it. It ends when
its standard input does, and so with this process. Plain answers never reach it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

_PROGRAM = Path(__file__).with_name("symbolic_worker.py")
_PATIENCE_S = (
    30.0  # the process has a limit of its own, in seconds of computation; this one is for a machine that stalls
)


@lru_cache(maxsize=8192)
def same_formula(left: str, right: str, step: str = "0") -> bool:
    """Whether two formulas have the same value for all values of their variables.

    `step` is that of the last decimal of a rounded number. What cannot be read, or takes too long, is not the same.
    """
    return _ask({"left": left, "right": right, "step": step})


@lru_cache(maxsize=8192)
def same_equation(left: tuple[str, str], right: tuple[str, str]) -> bool:
    """Whether two equations, each by its two sides, are the same up to a factor."""
    return _ask({"left": left, "right": right})


class _Worker:
    """The process; one request at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes) -> bool:
        with self.lock:
            for _ in range(2):  # a process that something ended between two requests is replaced once
                process = self.process
                if process is None or process.poll() is not None:
                    self.end()
                    process = self.process = self._start()
                if process is None:
                    return False
                reply = self._exchange(process, request)
                if reply:
                    return reply == b"1"
                self.end()
                if reply is not None:
                    return False
        return False

    def _start(self) -> subprocess.Popen[bytes] | None:
        # `-P`: the folder of the program is no place to import from.
        command = [sys.executable, "-P", str(_PROGRAM)]
        try:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        except OSError:
            return None

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> bytes | None:
        """The answer; blank if there is none in time; None if the process had ended before."""
        assert process.stdin and process.stdout
        try:
            process.stdin.write(request + b"\n")
        except OSError:
            return None
        ready = select.select([process.stdout], [], [], _PATIENCE_S)[0]
        return process.stdout.readline().strip() if ready else b""

    def end(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()


_worker = _Worker()
atexit.register(lambda: _worker.end())


def _forget() -> None:
    """In a forked process: the other one's process is not ours to ask or to end."""
    global _worker
    old, _worker = _worker, _Worker()
    if old.process is not None:
        old.process.returncode = 0  # so that nothing waits for it


os.register_at_fork(after_in_child=_forget)


def _ask(request: dict[str, object]) -> bool:
    return _worker.ask(json.dumps(request).encode())
