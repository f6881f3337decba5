"""The phases of a run that did not run, with the reason: what the page says where it would else draw nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visplay.selfplay.schedule import Phase, Schedule, phases


def absent(
    lines: Sequence[Mapping[str, Any]], schedule: Schedule, state: str, failure: str | None = None
) -> dict[str, str]:
    """A sentence for each phase without a line of metrics, by its name; empty while the run goes on.

    Args:
        lines: the metrics so far.
        state: "running", "finished", "failed" or "stopped".
        failure: the error that ended the run.
    """
    if state == "running":
        return {}
    seen = {line["phase"] for line in lines}
    kept = [line["kept"] for line in lines if line["phase"] == "silver"]
    found = {}
    for phase in (phase for phase in phases() if phase.name not in seen):
        if phase.on_request and not any(schedule.steps(phase.name, t) for t in range(schedule.iterations + 1)):
            continue
        reason = _reason(phase, schedule, state, failure, empty=bool(kept) and not any(kept))
        found[phase.name] = f"{phase.doing[0].upper()}{phase.doing[1:]}: this did not run, because {reason}."
    return found


def _reason(phase: Phase, schedule: Schedule, state: str, failure: str | None, *, empty: bool) -> str:
    if not any(schedule.steps(phase.name, t) for t in range(schedule.iterations + 1)):
        return "the settings and the inputs of the run plan no step of it"
    if phase.needs_silver and empty:
        return "the silver set is empty"
    if failure:
        return f"the run failed before: {failure}"
    return "the run ended before" if state == "finished" else "the run was stopped before"
