"""Runs parts one after another, each in a process of its own with a limit of time.

Processes are forked from one that has the libraries imported, which saves about ten seconds a part.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.gpu.parts import Part
from benchmarks.gpu.process import start

PARTS_FILE = "parts.jsonl"
_LEAST_S = 15.0  # with less time left, no further part begins
_SPARE_S = 5.0  # for the tables
# Nothing is read from a hub. CUDA is looked for by NVML, because a process that has used it cannot be forked.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}


def run_parts(parts: Sequence[Part], budget_s: float, size: str, out: Path) -> None:
    """Run the parts within `budget_s` seconds; the end of each is a line of `parts.jsonl`.

    Args:
        out: an existing folder.
    """
    os.environ.update(_ENVIRONMENT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.gpu.imports"])
    with tempfile.TemporaryDirectory() as work:
        _Runner(budget_s, size, out, work, context).run(parts)


class _Runner:
    def __init__(
        self, budget_s: float, size: str, out: Path, work: str, context: multiprocessing.context.ForkServerContext
    ) -> None:
        self._end = time.monotonic() + budget_s
        self._arguments = (size, str(out), work)
        self._out, self._context = out, context
        self._running: dict[Part, tuple[BaseProcess, float]] = {}

    def run(self, parts: Sequence[Part]) -> None:
        try:
            for part in parts:
                if self._left() < _LEAST_S:
                    self._note(part, False, 0.0, "no time was left")
                    continue
                self._start(part)
                if not part.beside:
                    self._finish(part)
            for part in list(self._running):
                self._finish(part)
        finally:
            for process, _ in self._running.values():
                _end(process)

    def _left(self) -> float:
        return self._end - _SPARE_S - time.monotonic()

    def _start(self, part: Part) -> None:
        process = self._context.Process(target=start, args=(part.name, *self._arguments))
        process.start()
        self._running[part] = (process, time.monotonic())

    def _finish(self, part: Part) -> None:
        """Wait for the part's end, or stop it at its limit."""
        process, begun = self._running[part]
        limit = min(part.limit_s - (time.monotonic() - begun), self._left())
        process.join(max(0.0, limit))
        status = process.exitcode
        _end(process)
        del self._running[part]
        spent = time.monotonic() - begun
        why = "" if status == 0 else f"stopped after {spent:.0f} s" if status is None else "failed; see log.txt"
        self._note(part, status == 0, spent, why)

    def _note(self, part: Part, ok: bool, spent: float, why: str) -> None:
        line = json.dumps({"part": part.name, "ok": ok, "seconds": round(spent, 1), "why": why})
        with open(self._out / PARTS_FILE, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(f"{part.name:<10} {spent:6.1f} s  {why or 'ended'}", flush=True)


def _end(process: BaseProcess) -> None:
    """End a process with all that it started."""
    assert process.pid is not None
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
