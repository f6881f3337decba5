"""Findings: lines of JSON that a part writes as it measures, so that a part that is stopped leaves what it found.

A line has `part`, `at_s` (seconds since the part began), `what`, and values. Three kinds have values by rule:

* "time": `task`, `case`, `who` ("visplay", or whom it is compared with), `how`, `s` (median of `rounds`, seconds),
  `floor_s` (the least time, or null) and `tokens_s`.
* "agreement": `of`, a difference `mean` and `ok`, whether it is as small, or as large, as it must be.
* "memory": `of`, `planned` and `measured` (bytes), and `error`, planned / measured - 1.

Any line may have `skipped` or `failed` instead, with the reason.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

LINES = "lines.jsonl"


class Findings:
    """Writes the lines of a part."""

    def __init__(self, out: Path, part: str) -> None:
        self._file = out / LINES
        self._part = part
        self._begun = time.perf_counter()

    def add(self, what: str, **values: Any) -> None:
        """Write a line."""
        seconds = round(time.perf_counter() - self._begun, 1)
        line = json.dumps({"part": self._part, "at_s": seconds, "what": what, **values})
        with open(self._file, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def time(
        self,
        task: str,
        case: str,
        who: str,
        how: str,
        rounds: Sequence[float],
        *,
        floor_s: float | None = None,
        tokens: int = 0,
        **more: Any,
    ) -> None:
        """Write a line of the kind "time"; `tokens` are those of all completions of a round."""
        s = median(rounds)
        speed = {"s": s, "rounds": list(rounds), "floor_s": floor_s, "tokens_s": tokens / s if tokens else None}
        self.add("time", task=task, case=case, who=who, how=how, **speed, **more)

    def memory(self, of: str, planned: float, measured: float, **more: Any) -> None:
        """Write a line of the kind "memory"."""
        error = planned / measured - 1
        self.add("memory", of=of, planned=int(planned), measured=int(measured), error=error, **more)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Context manager that turns any error into a line, such as a lack of memory or a compiler's failure."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.add(what, failed=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def read(file: Path) -> list[dict[str, Any]]:
    """The lines of a file of JSON lines; none if there is no such file."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines()]
