"""The present state of a run directory, as JSON values: `RunView(path).overview()`.

    {"name", "level": the worst of the signs, "signs": as in `health.py`, "choices": as in `Gallery`,
     "page": {"status": see `RunView`, "headline": {"verdict", "sentences"} or None,
              "phases": [{"name", "doing"}], "absent": {phase: why it did not run},
              "silver", "verdicts": [lines of metrics.jsonl],
              "curves": [{"phase", "name", "iteration": [1, …], "step": [0, …], "y": [0.5, null, …]}],
              "suites": [{"suite", "decoding", "task", "base": {"iteration": 0, "accuracy", "ci95", "n"},
                          "baseline": null or {"name", "accuracy", "ci95", "n", "difference"},
                          "iterations": [{"iteration", "accuracy", "ci95", "n", "difference",
                                          "lead_over_baseline"}]}]}}

The files are only read, while a run may write them. An unfinished line of metrics is left for the next call. Missing
files are no error. A file that did not change is not read again.
"""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from visplay.config import load_settings
from visplay.errors import visible
from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.summary import suites_summary
from visplay.labeling.gates.band import Band
from visplay.report.absent import absent
from visplay.report.gallery import Gallery, ImageList, Stamp, stamp
from visplay.report.health import signs
from visplay.runs import check_run, in_use, read_metrics
from visplay.runs.files import read_json
from visplay.selfplay.outcome import FAILURE_FILE
from visplay.selfplay.schedule import INPUTS_FILE, InputCounts, Schedule, phases
from visplay.types import StepId

T = TypeVar("T")
Line = Mapping[str, Any]

CURVES = ("reward", "confidence", "valid", "kl", "entropy", "distinct_texts")  # metrics on the page and in the signs


class RunView:
    """Reads a run directory repeatedly, by one thread at a time.

    Raises RunError if there is no run, and ConfigError if its config.yaml cannot be read.
    """

    def __init__(self, path: Path) -> None:
        check_run(path)
        self.path = path
        self.settings = load_settings(str(path / "config.yaml"))
        self.gallery = Gallery(path)
        self.images = ImageList(self.settings)
        self._read: dict[tuple[str, ...], tuple[list[Stamp | None], Any]] = {}

    def overview(self) -> dict[str, Any]:
        """All values except the questions; takes milliseconds if no file changed."""
        page = self.read()
        texts = self.gallery.texts(page["silver"][-1]["iteration"]) if page["silver"] else ()
        found = signs(page, texts)
        level = found[0]["level"] if found else "good"
        told = {"name": self.path.resolve().name, "page": page, "signs": found, "level": level}
        return told | {"choices": self.gallery.choices()}

    def read(self) -> dict[str, Any]:
        """The part `page` of the overview."""
        # What is read first may only be older: a run that ends meanwhile still counts as going.
        held = in_use(self.path)
        lines = self._fresh(read_metrics, "metrics.jsonl") or []
        schedule, failure = self._schedule(), self._failure()
        status = self._status(held, lines, schedule, failure)
        return {
            "status": status,
            "absent": absent(lines, schedule, status["state"], failure),
            "headline": (self._fresh(read_json, "summary.json") or {}).get("headline"),
            "curves": list(_curves(lines)),
            "suites": list(_series(self._suites(lines))),
            "silver": [self._silver(line) for line in lines if line["phase"] == "silver"],
            "verdicts": [line for line in lines if "accepted" in line],
            "phases": [{"name": phase.name, "doing": phase.doing} for phase in phases()],
        }

    def version(self) -> str:
        """A text that changes whenever overview or gallery change; costs a few `stat` calls."""
        stamps = [stamp(part) for part in sorted(self.path.iterdir())]
        return f"{in_use(self.path):d}-{zlib.crc32(repr(stamps).encode()):08x}"

    def _schedule(self) -> Schedule:
        counted = self._fresh(read_json, INPUTS_FILE)
        return Schedule(self.settings, InputCounts(**counted) if counted else None)

    def _failure(self) -> str | None:
        """The error that ended the run, if one did."""
        noted = self._fresh(read_json, FAILURE_FILE) or {}
        return visible(noted["error"]) if "error" in noted else None

    def _status(self, held: bool, lines: Sequence[Line], schedule: Schedule, failure: str | None) -> dict[str, Any]:
        """The progress of the run.

        `state` is "running" while a process has the lock, "finished" if there is a result, else "failed" if an error
        ended the run, else "stopped".
        `iteration`, `phase` and `step` (from 1) are the present step, the step at which the run stopped, or the last
        step of a finished run. `phase` is "controls" if the run is finished and its controls are not. `done` is a share
        of the planned steps. `seconds` includes the time before a resume. `seconds_left` is None until every phase has
        finished a step.
        """
        summary = self._fresh(read_json, "summary.json")
        saved = self._fresh(read_json, "state.json") or {"state": {}}
        controls = summary is not None and any(map(in_use, self.path.glob("controls/*/")))
        last = StepId(lines[-1]["iteration"], lines[-1]["phase"], lines[-1]["step"]) if lines else None
        silver = [line["kept"] for line in lines if line["phase"] == "silver"]
        following = schedule.next(last, has_silver=not silver or silver[-1] > 0)
        place = (None if summary else following) or last or StepId(0, phases()[0].name, 0)
        stopped = "failed" if failure else "stopped"
        status = {
            "state": "finished" if summary and not controls else "running" if held else stopped,
            "iteration": place.iteration,
            "iterations": schedule.iterations,
            "phase": "controls" if controls else place.phase,
            "step": place.step + 1,
            "steps": max(schedule.steps(place.phase, place.iteration), 1),
            "done": 1.0 if summary else min(1.0, len(lines) / max(1, schedule.total())),
            "seconds": float((summary or saved["state"]).get("seconds", 0.0)),
            "seconds_left": None,
            "model": _last_part(self.settings.model),
            "images": _last_part(str(self.settings.images)),
            "seed": self.settings.seed,
        }
        if status["state"] == "running" and last and not summary:
            status["seconds_left"] = self._seconds_left(lines, schedule, last, following)
        return status | {"words": _in_words(status, failure)}

    def _seconds_left(
        self, lines: Sequence[Line], schedule: Schedule, last: StepId, following: StepId | None
    ) -> float | None:
        """From the last line on; what the step under way has taken already is subtracted, up to its usual time."""
        spent: dict[str, list[float]] = defaultdict(list)
        for line in lines:
            spent[line["phase"]].append(line["time"].get("seconds", 0.0))
        left = schedule.seconds_left(spent, last)
        if left is None or following is None:
            return left
        under_way = max(0.0, time.time() - (self.path / "metrics.jsonl").stat().st_mtime)
        return max(0.0, left - min(under_way, fmean(spent[following.phase])))

    def _suites(self, lines: Sequence[Line]) -> Mapping[str, Any]:
        """The `suites` part of summary.json; for an unfinished run, computed from the marks so far."""
        summary = self._fresh(read_json, "summary.json")
        if summary:
            return dict(summary["suites"])
        # The line of metrics comes after the marks, so what has one is whole; a control gets the base's marks whole.
        measured = {0, *(line["iteration"] for line in lines if line["phase"] == "measure")} if lines else ()
        names = (f"measurements/iteration-{t}.jsonl" for t in sorted(measured))
        return self._fresh(_suites_of, *(name for name in names if (self.path / name).exists())) or {}

    def _silver(self, line: Line) -> dict[str, Any]:
        """A silver set's line, with every gate and the limits of the gate "band" (None without this gate)."""
        gates = self.settings.silver.gates
        band = next((gate for gate in gates if isinstance(gate, Band)), None)
        return {
            **line,
            "dropped": {**dict.fromkeys((gate.name for gate in gates), 0), **line["dropped"]},
            "band": [band.low, band.high] if band else None,
            "band_above_chance": band is not None and band.chance_corrected,
        }

    def _fresh(self, read: Callable[..., T], *names: str) -> T | None:
        """The content of files, read again only if one changed; None if a file is missing or incomplete."""
        files = [self.path / name for name in names]
        stamps = [stamp(file) for file in files]
        if None in stamps:
            return None
        if self._read.get(names, (None, None))[0] != stamps:
            try:
                self._read[names] = (stamps, read(*files))
            except (OSError, ValueError, KeyError):
                return None
        value: T = self._read[names][1]
        return value


def _curves(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    """The metrics of the phases that train; a `y` is None if the metric was not finite or not measured."""
    for phase in (phase.name for phase in phases() if phase.trains):
        own = [line for line in lines if line["phase"] == phase]
        for name in CURVES:
            y = [line.get(name) for line in own]
            if any(value is not None for value in y):
                frame = {key: [line[key] for line in own] for key in ("iteration", "step")}
                yield {"phase": phase, "name": name, **frame, "y": y}


def _suites_of(*files: Path) -> dict[str, Any]:
    marks = {file.stem: Measurement.load(file) for file in files}
    return suites_summary(marks.pop("iteration-0", None), list(marks.values()))


def _series(suites: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each suite by decoding ("greedy", "sampled", "pass@8", …): the base, None if not measured, and the iterations.

    `task` is the lab task of a suite that is one style of it, else None; the first view shows the suites with None.
    """
    kept = (
        "accuracy",
        "ci95",
        "n",
        "difference",
        "declined",
        "transitions",
        "answered_difference",
        "lead_over_baseline",
    )
    for name, suite in suites.items():
        # Figures at the top are greedy.
        measured = [{"greedy": one, **one} if one else {} for one in (suite["base"], *suite["iterations"])]
        parts = [(key, part) for one in measured for key, part in one.items() if isinstance(part, Mapping)]
        for decoding in dict.fromkeys(key for key, part in parts if "accuracy" in part):
            found = [(t, one[decoding]) for t, one in enumerate(measured) if decoding in one]
            told = [{"iteration": t} | {key: part[key] for key in kept if key in part} for t, part in found]
            base = told.pop(0) if decoding in measured[0] else None
            best = _best_baseline(suite) if decoding == "greedy" else None
            frame = {"suite": name, "decoding": decoding, "task": task_of(name)}
            yield frame | {"base": base, "baseline": best, "iterations": told}


def _best_baseline(suite: Mapping[str, Any]) -> dict[str, Any] | None:
    """The best baseline without training of a suite of a summary; None if none was measured."""
    measured = suite.get("baselines")
    return {"name": measured["best"], **measured[measured["best"]]} if measured else None


def _last_part(name: str) -> str:
    """What a model or source is called, without where it lies on this machine; hub ids stay whole."""
    return Path(name).name if Path(name).is_absolute() or name.startswith(".") else name


def _in_words(status: Mapping[str, Any], failure: str | None) -> str:
    if status["state"] == "finished":
        return f"finished after {duration(status['seconds'])}"
    if status["phase"] == "controls":
        return "finished; its controls are running"
    place = "before the first iteration"
    if status["iteration"]:
        place = f"iteration {status['iteration']} of {status['iterations']}"
    place += ", " + {phase.name: phase.doing for phase in phases()}.get(status["phase"], status["phase"])
    if status["steps"] > 1:
        place += f", step {status['step']} of {status['steps']}"
    if status["state"] == "failed":
        return f"failed: {place}: {failure}; `visplay evolve --resume` goes on"
    if status["state"] == "stopped":
        return f"stopped: {place}; `visplay evolve --resume` goes on"
    left = status["seconds_left"]
    return f"running: {place}" + ("" if left is None else f", about {duration(left)} left")


def duration(seconds: float) -> str:
    """Seconds in words: "40 seconds", "12 minutes", "3 hours 20 minutes"."""
    minutes = round(seconds / 60)
    parts = {"hour": minutes // 60, "minute": minutes % 60 if minutes < 600 else 0}
    if minutes < 100:
        parts = {"minute": minutes} if seconds >= 99.5 else {"second": round(seconds)}
    return " ".join(f"{n} {unit}{'' if n == 1 else 's'}" for unit, n in parts.items() if n or unit != "minute")
