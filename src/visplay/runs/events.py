"""events.jsonl: what happened to a run beside its steps, one JSON object per line, in order of time.

    begun          `settings` and `processes` of the first sitting
    resumed        with other settings or processes: `changes` by key, before and after, and all `settings` in force
    out of memory  the same: a size of execution was halved
    not finite     `role`, `what` was not finite, and the learning `rate` then

A line names its step by `iteration`, `phase` and `step`: the step under way, or for "resumed" the last saved one; null
before the first. config.yaml holds the settings in force, and a user may edit it between two sittings. This file says
what was in force before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from visplay.config import Settings, check_settings
from visplay.config.yaml_file import refuse_modules
from visplay.errors import RunError
from visplay.runs.files import write_whole
from visplay.types import StepId

_OF_A_FAILURE: dict[str, tuple[type, ...]] = {
    "iteration": (int,),
    "phase": (str,),
    "step": (int,),
    "role": (str,),
    "rate": (int, float),
}


class Events:
    """The events of the run in a folder."""

    def __init__(self, run: Path) -> None:
        self.path = run / "events.jsonl"

    def append(self, event: str, at: StepId | None, **values: Any) -> None:
        """Write one line; the whole file is replaced, so that it never holds a part of a line."""
        place = at._asdict() if at else dict.fromkeys(StepId._fields)
        line = json.dumps({"event": event, **place, **values}, ensure_ascii=False)
        write_whole(
            self.path, "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in self.lines()) + line + "\n"
        )

    def lines(self) -> list[dict[str, Any]]:
        """All events, from the first on.

        Raises:
            RunError: the file is damaged.
        """
        if not self.path.exists():
            return []
        try:
            # A setting may hold other ends of lines, such as U+2028, which JSON keeps.
            lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").split("\n") if line]
        except (OSError, ValueError, RecursionError):
            lines = [None]
        if not lines or not all(map(_is_event, lines)):
            raise RunError(f"{self.path} is damaged: not a list of events; remove it to trust config.yaml as it is")
        return lines

    def settings(self) -> Settings | None:
        """The settings that were last in force; None if no event says so."""
        found = next((line["settings"] for line in self._latest() if line.get("settings")), None)
        if not found:
            return None
        refuse_modules(found, str(self.path))
        return check_settings(found, str(self.path))

    def processes(self) -> int | None:
        """How many processes shared the work in the last sitting; None if no event says so."""
        return next((line["processes"] for line in self._latest() if line.get("processes")), None)

    def not_finite(self) -> dict[str, Any] | None:
        """The last event "not finite"."""
        return next((line for line in self._latest() if line["event"] == "not finite"), None)

    def _latest(self) -> list[dict[str, Any]]:
        return self.lines()[::-1]


def _is_event(line: Any) -> bool:
    """Whether a value is a line of `append`, as far as it is read again."""
    if not isinstance(line, dict) or not isinstance(line.get("event"), str):
        return False
    failed = line["event"] == "not finite"
    whole = all(isinstance(line.get(name), kind) for name, kind in _OF_A_FAILURE.items()) if failed else True
    return whole and isinstance(line.get("settings", {}), dict) and isinstance(line.get("processes", 0), int)
