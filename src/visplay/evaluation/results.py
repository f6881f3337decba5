"""The results of an evaluation: the marks of every item, by decoding and suite. All figures come from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from visplay.errors import EvaluationError, reason
from visplay.evaluation.grading import Mark
from visplay.evaluation.statistics import PairedDifference, paired_difference
from visplay.runs.files import write_whole
from visplay.runs.metrics import read_metrics

_ADVICE = "put it back from a copy, or measure again"

Marks = dict[str, bool]
"""Right or wrong, by item id."""


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """The marks of one suite; a ValueError without a mark, or with two of the same item."""

    name: str
    answered: tuple[Mark, ...]

    def __post_init__(self) -> None:
        if not self.answered or len(self.marks()) != len(self.answered):
            raise ValueError(f"suite {self.name} needs at least one mark, and one only for each item")

    @property
    def n(self) -> int:
        """Items asked."""
        return len(self.answered)

    @property
    def correct(self) -> int:
        """Items answered right."""
        return sum(mark.correct for mark in self.answered)

    @property
    def accuracy(self) -> float:
        """Share of all items answered right, in [0, 1]."""
        return self.correct / self.n

    def marks(self, by: str = "correct") -> Marks:
        """All marks; `by="loose"` those of the tolerant reader."""
        return {mark.item_id: getattr(mark, by) for mark in self.answered}

    def images(self) -> dict[str, str]:
        """The id of each item's image, where it is known."""
        return {mark.item_id: mark.image_id for mark in self.answered if mark.image_id}

    def by_kind(self) -> dict[str, Marks]:
        """The marks of each sort of question, in order of first appearance; a mark without one is in none."""
        kinds = dict.fromkeys(mark.kind for mark in self.answered if mark.kind)
        return {kind: {mark.item_id: mark.correct for mark in self.answered if mark.kind == kind} for kind in kinds}

    def shared(self, other: SuiteResult) -> tuple[SuiteResult, SuiteResult] | None:
        """Both on the items that both were asked, the same id, question and reference; None if there are none."""
        asked = {mark.item_id: mark for mark in other.answered}
        pairs = [(mark, asked[mark.item_id]) for mark in self.answered if mark.item_id in asked]
        same = [(ours, its) for ours, its in pairs if (ours.question, ours.reference) == (its.question, its.reference)]
        if not same:
            return None
        ours, theirs = zip(*same, strict=True)
        return SuiteResult(self.name, ours), SuiteResult(self.name, theirs)

    def difference_to(self, base: SuiteResult) -> PairedDifference:
        """This accuracy minus the base's, paired by item; ValueError if the items are not the same."""
        return paired_difference(base.marks(), self.marks(), base.images() | self.images())


Results = Mapping[str, SuiteResult]
"""Results by the name of the suite."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model on all suites.

    Attributes:
        by_decoding: `greedy` is the most probable answer; `sampled` is an answer at temperature 1; `pass@8` is right if
            any of eight sampled answers is right; `maj@8` is right if their majority is right; `no_image` is the most
            probable answer for a blank image. Those of `BASELINES` are majorities of the base, on the items that the
            baselines were measured on.
    """

    by_decoding: Mapping[str, Results]

    @property
    def greedy(self) -> Results:
        """The results of the most probable answers."""
        return self.by_decoding.get("greedy", {})

    def save(self, path: Path) -> None:
        """Write one JSON line for each mark; values that are a default are left out."""
        _, *others = fields(Mark)
        lines = []
        for decoding, results in self.by_decoding.items():
            for result in results.values():
                for mark in result.answered:
                    row = {"decoding": decoding, "suite": result.name, "item": mark.item_id}
                    values = ((each, getattr(mark, each.name)) for each in others)
                    row |= {each.name: value for each, value in values if value != each.default}
                    lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        write_whole(path, "".join(lines))

    @classmethod
    def load(cls, path: Path) -> Measurement:
        """Read what `save` wrote; EvaluationError if the file is missing, empty or damaged."""
        try:
            text = path.read_text(encoding="utf-8")
            found = cls._of(text.split("\n")[:-1])
        except OSError as error:
            raise EvaluationError(f"cannot read the marks in {path}: {reason(error)}; {_ADVICE}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise EvaluationError(f"{path} is damaged: a line is no mark; {_ADVICE}") from None
        if not text.endswith("\n"):
            raise EvaluationError(f"{path} is {'cut off' if text else 'empty'}: marks are missing; {_ADVICE}")
        return found

    @classmethod
    def _of(cls, lines: Iterable[str]) -> Measurement:
        marks: dict[str, dict[str, list[Mark]]] = {}
        for line in lines:
            row = json.loads(line)
            suite = marks.setdefault(row.pop("decoding"), {}).setdefault(row.pop("suite"), [])
            suite.append(Mark(row.pop("item"), **row | {"draws": tuple(row.get("draws", ()))}))
        return cls(
            {
                decoding: {name: SuiteResult(name, tuple(answered)) for name, answered in suites.items()}
                for decoding, suites in marks.items()
            }
        )


def measurement_file(run: Path, iteration: int) -> Path:
    """Where a run keeps the marks of an iteration; iteration 0 is the base."""
    return run / "measurements" / f"iteration-{iteration}.jsonl"


def run_measurements(run: Path) -> tuple[Measurement | None, list[Measurement]]:
    """The base's measurement, None if it was not measured, and those of the iterations so far.

    EvaluationError if the marks of an iteration that was measured, by metrics.jsonl, are missing or damaged.
    """
    lines = read_metrics(run / "metrics.jsonl")
    measured = {line["iteration"] for line in lines if line["phase"] == "measure"}
    base = measurement_file(run, 0)  # a control has its run's measurement of the base, without a line of its own
    found = [Measurement.load(measurement_file(run, t)) for t in sorted(measured - {0})]
    return (Measurement.load(base) if base.exists() or 0 in measured else None), found


def task_of(suite: str) -> str | None:
    """`lab/counting` for `lab/counting/pastel`; None for a suite that is not one style of a lab task."""
    parts = suite.split("/")
    return "/".join(parts[:2]) if len(parts) == 3 and parts[0] == "lab" else None


def pool_looks(results: Iterable[SuiteResult]) -> dict[str, SuiteResult]:
    """Results by name, with the styles of each lab task pooled, in order of first appearance."""
    marks: dict[str, tuple[Mark, ...]] = {}
    for result in results:
        name = task_of(result.name) or result.name
        marks[name] = marks.get(name, ()) + result.answered
    return {name: SuiteResult(name, answered) for name, answered in marks.items()}


def benchmarks(results: Results) -> dict[str, SuiteResult]:
    """The suites of the mean: styles of lab tasks are pooled, and each item is in one suite at most."""
    found: dict[str, SuiteResult] = {}
    counted: set[str] = set()
    for name, result in pool_looks(results.values()).items():
        if counted.isdisjoint(result.marks()):
            found[name] = result
            counted.update(result.marks())
    return found
