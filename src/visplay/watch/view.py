"""What a run directory says at this moment, as plain values: `RunView(path).read()`.

Every value is JSON once `dataclasses.asdict` has made mappings of it; a figure that is not known is None.
The files are only read, whatever a run is writing meanwhile: a line of metrics that is not finished yet is left for
the next look, a file that is not there yet is nothing to speak of. What did not change is not read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["running", "finished", "stopped"]


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run is.

    Attributes:
        state: "running": a process holds it; "finished": its result is written; "stopped": neither, `--resume` goes on.
        iteration, phase, step: what is under way, or was when it stopped: the step after the last line of metrics;
            of a finished run the last step. Phases: "questioner", "silver", "reasoner", "measure", "accept", and
            "controls" when the run itself is done and its controls go on. `step` counts from 1; iteration 0 is what is
            done about the base before the first.
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
        phase: "questioner" or "reasoner".
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
        asked, valid, candidates, kept: questions wanted, in the agreed form, distinct on their picture, learned from.
        unlabelled: candidates without a silver answer, dropped before any gate.
        refused: candidates whose answer is "unknown" or the like.
        dropped: how many each gate dropped, by the gate's name, in the order in which they are passed; gates that
            dropped none stand with 0.
        histogram: candidates in ten bins of confidence, [0, 0.1) … [0.9, 1].
        band: lowest and highest confidence that the gate "band" keeps; None where the run has no such gate.
        band_above_chance: the band counts agreement above chance, so of yes/no and lettered questions it keeps fewer
            than the histogram shows between its limits.
        types: candidates by question type.
        distinct_texts: how many different texts the candidates are, over all pictures.
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
class Judged:
    """What acceptance said of an iteration; changes are against the accepted iteration `against`, with 95 % intervals.

    Attributes:
        kept_change: share of the trusted answers still given. agreement_change: mean confidence.
        asking_change: share of questions that have an answer.
        true_change, judge_accepts: what a judge who knows the truth says, in the lab.
    """

    iteration: int
    accepted: bool
    against: int
    kept_change: float | None = None
    kept_ci95: tuple[float, float] | None = None
    agreement_change: float | None = None
    agreement_ci95: tuple[float, float] | None = None
    asking_change: float | None = None
    asking_ci95: tuple[float, float] | None = None
    true_change: float | None = None
    true_ci95: tuple[float, float] | None = None
    judge_accepts: bool | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """All that the page shows beside the gallery and the signs of health (`health.signs(page, …)`)."""

    status: Status
    curves: tuple[Curve, ...]
    suites: tuple[SuiteSeries, ...]
    silver: tuple[SilverPanel, ...]
    verdicts: tuple[Judged, ...]


class RunView:
    """A run directory, looked at again and again; one for each thread.

    Raises:
        visplay.runs.RunError: there is no run at `path`.
        visplay.config.ConfigError: its config.yaml cannot be read.
    """

    def __init__(self, path: Path) -> None:
        raise NotImplementedError

    def read(self) -> RunPage:
        """What stands there now; milliseconds where nothing changed."""
        raise NotImplementedError

    def version(self) -> str:
        """Changes whenever `read` or the gallery would tell something new; costs a few `stat` calls."""
        raise NotImplementedError


def as_json(value: Any) -> Any:
    """Mappings, lists and plain values of any dataclass of `view`, `gallery` or `health`, for `json.dumps`."""
    raise NotImplementedError
