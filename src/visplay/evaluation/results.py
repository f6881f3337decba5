"""What an evaluation found: marks of every item, by decoding and suite.

Marks are kept one by one, not as totals, because a paired difference needs them and so
does a reader who wants to check a figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from visplay.evaluation.grading import Answered
from visplay.evaluation.statistics import Interval, PairedDifference, paired_difference, wilson_interval


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """The marks of one suite.

    Raises:
        ValueError: no mark, or two of the same item.
    """

    name: str
    answered: tuple[Answered, ...]

    def __post_init__(self) -> None:
        if not self.answered or len({mark.item_id for mark in self.answered}) != len(self.answered):
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
    def unboxed(self) -> int:
        """Items without a boxed answer; they count as wrong."""
        return sum(mark.given is None for mark in self.answered)

    @property
    def truncated(self) -> int:
        """Items whose text was cut off at the length limit."""
        return sum(not mark.finished for mark in self.answered)

    @property
    def accuracy(self) -> float:
        """Share of all items answered right, in [0, 1]."""
        return self.correct / self.n

    @property
    def ci95(self) -> Interval:
        """95 % Wilson interval of the accuracy."""
        return wilson_interval(self.correct, self.n)

    @property
    def tolerant(self) -> SuiteResult:
        """The same answers as the tolerant reader marks them."""
        return SuiteResult(self.name, tuple(replace(mark, correct=mark.loose) for mark in self.answered))

    def by_kind(self) -> dict[str, SuiteResult]:
        """The marks of each sort of question, in order of first appearance; a mark without one is in none."""
        marks: dict[str, list[Answered]] = {}
        for mark in self.answered:
            marks.setdefault(mark.kind, []).append(mark)
        return {kind: SuiteResult(self.name, tuple(found)) for kind, found in marks.items() if kind}

    def difference_to(self, base: SuiteResult) -> PairedDifference:
        """This accuracy minus the base's, paired by item.

        Raises:
            ValueError: the two are not about the same items.
        """
        return paired_difference(base.marks(), self.marks())

    def marks(self) -> dict[str, bool]:
        """Right or wrong, by item id."""
        return {mark.item_id: mark.correct for mark in self.answered}


Results = Mapping[str, SuiteResult]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model on all suites, by suite name; what was not asked for is empty.

    Attributes:
        greedy: the most probable answer.
        sampled: one answer at temperature 1.
        passes: right when any of `k` answers at temperature 1 is; perhaps on fewer items.
        majority: right when the majority of the same `k` answers is.
        k: answers an item of `passes` and `majority`; 0 when they were not asked for.
        no_image: the most probable answer to the same questions on blank images; see `visplay.data.augmentations`.
    Raises:
        ValueError: `passes` without `k`, or `k` without `passes`.
    """

    greedy: Results
    sampled: Results = field(default_factory=dict)
    passes: Results = field(default_factory=dict)
    majority: Results = field(default_factory=dict)
    k: int = 0
    no_image: Results = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.passes) != (self.k > 0):
            raise ValueError(f"a measurement with k = {self.k} has pass@k of {len(self.passes)} suites")

    def by_decoding(self) -> dict[str, Results]:
        """What was asked for, by name: `greedy`, `sampled`, `pass@8`, `maj@8`, `no_image`."""
        named = {
            "greedy": self.greedy,
            "sampled": self.sampled,
            f"pass@{self.k}": self.passes,
            f"maj@{self.k}": self.majority,
            "no_image": self.no_image,
        }
        return {decoding: results for decoding, results in named.items() if results}

    def save(self, path: Path) -> None:
        """Write one JSON line for each mark; values that are a default are left out."""
        # JSON has an escape for half a surrogate pair, UTF-8 has no bytes for it.
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            for decoding, results in self.by_decoding().items():
                for result in results.values():
                    for mark in result.answered:
                        row = {"decoding": decoding, "suite": result.name} | _as_row(mark)
                        file.write(json.dumps(row, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Measurement:
        """Read what `save` wrote."""
        marks: dict[str, dict[str, list[Answered]]] = {}
        with path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                marks.setdefault(row["decoding"], {}).setdefault(row["suite"], []).append(_from_row(row))
        found = {
            decoding: {name: SuiteResult(name, tuple(answered)) for name, answered in suites.items()}
            for decoding, suites in marks.items()
        }
        k = next((int(decoding.removeprefix("pass@")) for decoding in found if decoding.startswith("pass@")), 0)
        greedy, sampled, passes, majority, no_image = (
            found.get(decoding, {}) for decoding in ("greedy", "sampled", f"pass@{k}", f"maj@{k}", "no_image")
        )
        return cls(greedy, sampled, passes, majority, k, no_image)


def measurement_file(run: Path, iteration: int) -> Path:
    """Where a run keeps the marks of an iteration; iteration 0 is the base."""
    return run / "measurements" / f"iteration-{iteration}.jsonl"


def run_measurements(run: Path) -> tuple[Measurement | None, list[Measurement]]:
    """The base's measurement, None if it was not measured, and those of the iterations so far."""
    base = measurement_file(run, 0)
    found: list[Measurement] = []
    while measurement_file(run, len(found) + 1).exists():
        found.append(Measurement.load(measurement_file(run, len(found) + 1)))
    return (Measurement.load(base) if base.exists() else None), found


_DEFAULTS = {each.name: each.default for each in fields(Answered) if each.default is not MISSING}
"""Values that a line leaves out."""


def _as_row(mark: Answered) -> dict[str, Any]:
    always = {"item": mark.item_id, "given": mark.given, "correct": mark.correct, "finished": mark.finished}
    return always | {name: getattr(mark, name) for name, usual in _DEFAULTS.items() if getattr(mark, name) != usual}


def _from_row(row: Mapping[str, Any]) -> Answered:
    others = {name: row.get(name, usual) for name, usual in _DEFAULTS.items()}
    others["draws"] = tuple(others["draws"])
    return Answered(row["item"], row["given"], row["correct"], row["finished"], **others)


def task_of(suite: str) -> str | None:
    """`lab/counting` for `lab/counting/pastel`; None for a suite that is no look of a task."""
    parts = suite.split("/")
    return "/".join(parts[:2]) if len(parts) == 3 and parts[0] == "lab" else None


def pool_looks(results: Iterable[SuiteResult]) -> dict[str, SuiteResult]:
    """Results by name, with the looks of each lab task pooled into one, in order of first appearance."""
    marks: dict[str, tuple[Answered, ...]] = {}
    for result in results:
        name = task_of(result.name) or result.name
        marks[name] = marks.get(name, ()) + result.answered
    return {name: SuiteResult(name, answered) for name, answered in marks.items()}
