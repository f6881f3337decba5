"""What a run directory says at this moment, as plain values: `RunView(path).read()`.

Every value is JSON once `dataclasses.asdict` has made mappings of it; a figure that is not known is None.
The files are only read, whatever a run is writing meanwhile: a line of metrics that is not finished yet is left for
the next look, a file that is not there yet is nothing to speak of. What did not change is not read again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, TypeVar

from visplay.config import Settings, load_settings
from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.summary import suites_summary
from visplay.labeling.gates.band import Band
from visplay.runs import check_run, in_use, read_metrics
from visplay.runs.files import read_json
from visplay.runs.metrics import FRAME
from visplay.selfplay.schedule import INPUTS_FILE, InputCounts, Schedule, phases
from visplay.selfplay.verdict import Verdict, is_verdict
from visplay.types import StepId

T = TypeVar("T")
Stamp = tuple[int, int]
State = Literal["running", "finished", "stopped"]

_FIRST = ("reward", "confidence", "valid", "passed", "kl", "entropy", "loss")
_CONTROLS = "controls/*/config.yaml"
_CHANGING = (
    *("metrics.jsonl", "state.json", "summary.json", INPUTS_FILE),
    *("asked", "silver", "acceptance", "measurements", "controls"),
)


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run is.

    Attributes:
        state: "running": a process holds it; "finished": its result is written; "stopped": neither, `--resume` goes on.
        iteration, phase, step: what is under way, or was when it stopped: the step after the last line of metrics;
            of a finished run the last step. `phase` is a name of `schedule.PHASES`, or "controls" when the run itself
            is done and its controls go on. `step` counts from 1; iteration 0 is what is done with the base.
        iterations, steps: how many are planned, of the run and of this phase.
        done: share of the planned steps that are finished, in [0, 1]; 1 for a finished run, also one that ended early.
        seconds: spent so far, earlier sittings included.
        seconds_left: None until every phase was seen once, and of a run that is not going.
        updated: when the last line was written, seconds since 1970; None before the first.
        model, images, seed: the settings that tell runs apart; a path's last part alone.
        words: all of this in one line.
    """

    state: State
    iteration: int
    iterations: int
    phase: str
    step: int
    steps: int
    done: float
    seconds: float
    seconds_left: float | None
    updated: float | None
    model: str
    images: str
    seed: int
    words: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure of one phase over the run; `x`, `iteration`, `step` and `y` are equally long.

    Attributes:
        phase: one that trains, "questioner" or "reasoner".
        name: as in metrics.jsonl ("reward", "confidence", "valid", "kl", "entropy", …; docs/metrics.md).
        x: the phase's own steps counted through the run from 1, ever growing.
        iteration, step: the same as in metrics.jsonl (`step` from 0).
        y: None where it was not finite or not measured.
    """

    phase: str
    name: str
    x: tuple[int, ...]
    iteration: tuple[int, ...]
    step: tuple[int, ...]
    y: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A suite measured once: accuracy and its 95 % Wilson interval, fractions in [0, 1].

    `change`, `change_low`, `change_high` are the paired difference from the base with its 95 % bootstrap interval,
    `p` McNemar's; None for the base itself and where it was not measured.
    """

    iteration: int
    accuracy: float
    low: float
    high: float
    n: int
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class SuiteSeries:
    """A suite by iteration, decoded in one way.

    Attributes:
        suite: its name; the looks of a lab task ("lab/color/pastel") come after the task they belong to ("lab/color").
        decoding: "greedy", "sampled", "pass@8", "maj@8".
        task: the lab task that this is a look of, None for all others: those are what a first view shows.
        base: None when it was not measured.
        iterations: in order; those measured so far.
    """

    suite: str
    decoding: str
    task: str | None
    base: Accuracy | None
    iterations: tuple[Accuracy, ...]


@dataclass(frozen=True, slots=True)
class SilverPanel:
    """The silver set of an iteration.

    Attributes:
        asked, valid, candidates, kept: questions wanted, in the agreed form, distinct on their image, learned from.
        unlabelled: candidates without a silver answer, dropped before any gate.
        refused: candidates whose answer is "unknown" or the like.
        dropped: how many each gate dropped, by the gate's name, in the order in which they are passed; gates that
            dropped none stand with 0.
        histogram: candidates in ten bins of confidence, [0, 0.1) … [0.9, 1].
        band: lowest and highest confidence that the gate "band" keeps; None where the run has no such gate.
        band_above_chance: the band counts agreement above chance, so of yes/no and lettered questions it keeps fewer
            than the histogram shows between its limits.
        types: candidates by question type.
        distinct_texts: how many different texts the candidates are, over all images.
        label_accuracy, answerable: shares of the kept ones whose silver answer is the true one, and which have a true
            answer at all; None where the truth is not known.
        label_accuracy_by_confidence: as the histogram, None in empty bins; empty where the truth is not known.
        paper_label_accuracy, paper_kept, paper_asked: what the paper's vote and band made of `paper_asked` of the same
            questions.
    """

    iteration: int
    asked: int
    valid: int
    candidates: int
    kept: int
    unlabelled: int
    refused: int
    dropped: Mapping[str, int]
    histogram: tuple[int, ...]
    band: tuple[float, float] | None
    band_above_chance: bool
    types: Mapping[str, int]
    distinct_texts: int
    mean_confidence: float | None
    unboxed_share: float | None
    label_accuracy: float | None = None
    answerable: float | None = None
    label_accuracy_by_confidence: tuple[float | None, ...] = ()
    paper_label_accuracy: float | None = None
    paper_kept: int | None = None
    paper_asked: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseWords:
    """A phase of an iteration: its name in metrics.jsonl, and what happens in it, in words."""

    name: str
    doing: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """All that the page shows beside the gallery and the signs of health (`health.signs(page, …)`).

    Attributes:
        phases: all phases in the order of an iteration.
    """

    status: Status
    curves: tuple[Curve, ...]
    suites: tuple[SuiteSeries, ...]
    silver: tuple[SilverPanel, ...]
    verdicts: tuple[Verdict, ...]
    phases: tuple[PhaseWords, ...]


class RunView:
    """A run directory, looked at again and again; one for each thread.

    Attributes:
        path: the run directory.
        settings: the run's.
    Raises:
        RunError: there is no run at `path`.
        ConfigError: its config.yaml cannot be read.
    """

    def __init__(self, path: Path) -> None:
        check_run(path)
        self.path = path
        self.settings = load_settings(str(path / "config.yaml"))
        self._kept: dict[Path, tuple[Stamp | str, Any]] = {}

    def read(self) -> RunPage:
        """What stands there now; milliseconds where nothing changed."""
        # What is read first may only be older: a run that ends meanwhile still counts as going.
        held = in_use(self.path)
        lines = self._fresh(self.path / "metrics.jsonl", read_metrics) or []
        schedule = self._schedule()
        return RunPage(
            self._status(held, lines, schedule),
            tuple(_curves(lines, schedule)),
            tuple(self._suites(lines)),
            tuple(_silver(line, self.settings) for line in lines if line["phase"] == "silver"),
            tuple(Verdict.from_metrics(line) for line in lines if is_verdict(line)),
            tuple(PhaseWords(phase.name, phase.doing) for phase in phases()),
        )

    def version(self) -> str:
        """Changes whenever `read` or the gallery would tell something new; costs a few `stat` calls."""
        stamps = [_stamp(self.path / name) for name in _CHANGING]
        return f"{in_use(self.path):d}-{zlib.crc32(repr(stamps).encode()):08x}"

    def _schedule(self) -> Schedule:
        """The planned steps, by what the run counted; by its settings alone before it has counted."""
        counted = self._fresh(self.path / INPUTS_FILE, read_json)
        return Schedule(self.settings, InputCounts(**counted) if counted else None)

    def _status(self, held: bool, lines: Sequence[Mapping[str, Any]], schedule: Schedule) -> Status:
        summary = self._fresh(self.path / "summary.json", read_json)
        last = StepId(lines[-1]["iteration"], lines[-1]["phase"], lines[-1]["step"]) if lines else None
        with_controls = summary is not None and any(in_use(one.parent) for one in self.path.glob(_CONTROLS))
        state: State = "finished" if summary and not with_controls else "running" if held else "stopped"
        place = None if summary else schedule.next(last, _has_silver(lines))
        place = place or last or StepId(0, phases()[0].name, 0)
        written = _stamp(self.path / "metrics.jsonl")
        updated = written[0] / 1e9 if written and lines else None
        left = _seconds_left(lines, schedule, last, updated) if state == "running" and not summary else None
        status = Status(
            state=state,
            iteration=place.iteration,
            iterations=schedule.iterations,
            phase="controls" if with_controls else place.phase,
            step=place.step + 1,
            steps=max(schedule.steps(place.phase, place.iteration), 1),
            done=1.0 if summary else min(1.0, len(lines) / max(1, schedule.total())),
            seconds=self._seconds(summary),
            seconds_left=left,
            updated=updated,
            model=_last_part(self.settings.model),
            images=_last_part(str(self.settings.images)),
            seed=self.settings.seed,
            words="",
        )
        return replace(status, words=_in_words(status))

    def _seconds(self, summary: Mapping[str, Any] | None) -> float:
        if summary:
            return float(summary["seconds"])
        saved = self._fresh(self.path / "state.json", read_json)
        return float(saved["state"].get("seconds", 0.0)) if saved else 0.0

    def _suites(self, lines: Sequence[Mapping[str, Any]]) -> Iterator[SuiteSeries]:
        """A finished run's from its summary; else from the marks, as far as they are written."""
        summary = self._fresh(self.path / "summary.json", read_json)
        if summary:
            return _series(summary["suites"])
        # The line of metrics comes after the marks, so what has one is whole; a control gets the base's marks whole.
        measured = {line["iteration"] for line in lines if line["phase"] == "measure"}
        base = self._marks_of(0) if lines else None
        suites = suites_summary(base, []) if base else {}
        for t in range(1, max(measured, default=0) + 1):
            for name, suite in self._figures(t).items() if t in measured else ():
                suites.setdefault(name, {"base": None, "iterations": []})["iterations"] += suite["iterations"]
        return _series(suites)

    def _figures(self, iteration: int) -> Mapping[str, Any]:
        """An iteration against the base: seconds where suites are large, so each is reckoned once."""
        files = [self._measurement(0), self._measurement(iteration)]
        key, stamp = Path(f"figures of {iteration}"), repr([_stamp(file) for file in files])
        if self._kept.get(key, ("", None))[0] != stamp:
            base, marks = self._marks_of(0), self._marks_of(iteration)
            self._kept[key] = (stamp, suites_summary(base, [marks]) if marks else {})
        figures: Mapping[str, Any] = self._kept[key][1]
        return figures

    def _marks_of(self, iteration: int) -> Measurement | None:
        return self._fresh(self._measurement(iteration), Measurement.load)

    def _measurement(self, iteration: int) -> Path:
        return self.path / "measurements" / f"iteration-{iteration}.jsonl"

    def _fresh(self, file: Path, read: Callable[[Path], T]) -> T | None:
        """What a file holds, read again only if it changed; None if it is not there, or not whole at this moment."""
        stamp = _stamp(file)
        if stamp is None:
            return None
        if self._kept.get(file, (None, None))[0] != stamp:
            try:
                self._kept[file] = (stamp, read(file))
            except (OSError, ValueError, KeyError):
                return None
        value: T = self._kept[file][1]
        return value


def as_json(value: Any) -> Any:
    """Mappings, lists and plain values of any dataclass of `view`, `gallery` or `health`, for `json.dumps`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_json(one) for one in value]
    return value


def _stamp(path: Path) -> Stamp | None:
    """Changes with every write; None where nothing is."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _seconds_left(
    lines: Sequence[Mapping[str, Any]], schedule: Schedule, last: StepId | None, updated: float | None
) -> float | None:
    """From the last line on; what the step under way has taken already is subtracted, up to its usual time."""
    spent: dict[str, list[float]] = {}
    for line in lines:
        spent.setdefault(line["phase"], []).append(line["time"].get("seconds", 0.0))
    left = schedule.seconds_left(spent, last) if last else None
    under_way = schedule.next(last, _has_silver(lines))
    if left is None or updated is None or under_way is None:
        return left
    return max(0.0, left - min(max(0.0, time.time() - updated), fmean(spent[under_way.phase])))


def _has_silver(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last silver set had anything in it."""
    kept = [line["kept"] for line in lines if line["phase"] == "silver"]
    return not kept or bool(kept[-1])


def _last_part(name: str) -> str:
    """What a model or source is called, without where it lies on this machine; hub ids stay whole."""
    return Path(name).name if Path(name).is_absolute() or name.startswith(".") else name


def _in_words(status: Status) -> str:
    if status.state == "finished":
        return f"finished after {duration(status.seconds)}"
    if status.phase == "controls":
        return "finished; its controls are running"
    where = f"iteration {status.iteration} of {status.iterations}" if status.iteration else "before the first iteration"
    doing = next((phase.doing for phase in phases() if phase.name == status.phase), status.phase)
    place = f"{where}, {doing}"
    if status.steps > 1:
        place += f", step {status.step} of {status.steps}"
    if status.state == "stopped":
        return f"stopped: {place}; `visplay evolve --resume` goes on"
    left = f", about {duration(status.seconds_left)} left" if status.seconds_left is not None else ""
    return f"running: {place}{left}"


def duration(seconds: float) -> str:
    """Seconds in words: "40 seconds", "12 minutes", "3 hours 20 minutes"."""
    if seconds < 99.5:
        return _counted(round(seconds), "second")
    minutes = round(seconds / 60)
    if minutes < 100:
        return _counted(minutes, "minute")
    hours, minutes = divmod(minutes, 60)
    return _counted(hours, "hour") + (f" {_counted(minutes, 'minute')}" if minutes and hours < 10 else "")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _curves(lines: Sequence[Mapping[str, Any]], schedule: Schedule) -> Iterator[Curve]:
    """Every figure of the learning phases, the well-known ones first."""
    for phase in (phase.name for phase in phases() if phase.trains):
        before = list(accumulate(schedule.steps(phase, t) for t in range(schedule.iterations + 1)))
        own = [line for line in lines if line["phase"] == phase]
        values = [{**line, **line["time"]} for line in own]
        names = {name for line in values for name, value in line.items() if _is_figure(value)} - set(FRAME)
        for name in sorted(names, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)):
            yield Curve(
                phase,
                name,
                tuple(before[line["iteration"] - 1] + line["step"] + 1 for line in own),
                tuple(line["iteration"] for line in own),
                tuple(line["step"] for line in own),
                tuple(line[name] if _is_figure(line.get(name)) else None for line in values),
            )


def _is_figure(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _series(suites: Mapping[str, Any]) -> Iterator[SuiteSeries]:
    """From the `suites` part of summary.json; a task before its looks."""
    for name, suite in suites.items():
        measured = [*([suite["base"]] if suite["base"] else []), *suite["iterations"]]
        for decoding in dict.fromkeys(key for one in measured for key in ("greedy", *_decodings(one))):
            base = _decoded(suite["base"], decoding) if suite["base"] else None
            after = ((t, _decoded(one, decoding)) for t, one in enumerate(suite["iterations"], 1))
            yield SuiteSeries(
                name,
                decoding,
                task_of(name),
                _accuracy(0, base) if base else None,
                tuple(_accuracy(t, one) for t, one in after if one),
            )


def _decodings(figures: Mapping[str, Any]) -> Iterator[str]:
    return (key for key, value in figures.items() if isinstance(value, dict) and "accuracy" in value)


def _decoded(figures: Mapping[str, Any], decoding: str) -> Mapping[str, Any] | None:
    return figures if decoding == "greedy" else figures.get(decoding)


def _accuracy(iteration: int, figures: Mapping[str, Any]) -> Accuracy:
    low, high = figures["ci95"]
    change = figures.get("difference")
    if not change:
        return Accuracy(iteration, figures["accuracy"], low, high, figures["n"])
    least, most = change["ci95"]
    return Accuracy(
        iteration, figures["accuracy"], low, high, figures["n"], change["mean"], least, most, change["p_mcnemar"]
    )


def _silver(line: Mapping[str, Any], settings: Settings) -> SilverPanel:
    gates = settings.silver.gates
    told = {name: line[name] for name in SilverPanel.__dataclass_fields__ if name in line}
    told["dropped"] = {**dict.fromkeys((gate.name for gate in gates), 0), **line["dropped"]}
    told["label_accuracy_by_confidence"] = tuple(line.get("label_accuracy_by_confidence", ()))
    band = next((gate for gate in gates if isinstance(gate, Band)), None)
    return SilverPanel(
        **told,
        histogram=tuple(line["confidence_histogram"]),
        band=(band.low, band.high) if band else None,
        band_above_chance=band is not None and band.chance_corrected,
    )
