"""What a judge found on suites: accuracy, what it left undecided, and how far it agrees with the rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visplay.evaluation.judge.client import Judge, Judgement
from visplay.evaluation.results import Results, SuiteResult, pool_looks
from visplay.evaluation.statistics import (
    Interval,
    PairedDifference,
    cohens_kappa,
    paired_difference,
    wilson_interval,
)
from visplay.evaluation.table import points
from visplay.types import Suite

_SHOWN = 5
_SHOWN_LETTERS = 160


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgements of one model on a suite, beside the marks of the rules by item id."""

    name: str
    judgements: tuple[Judgement, ...]
    rules: Mapping[str, bool]

    @property
    def marks(self) -> dict[str, bool]:
        """Right or wrong, by item id, of what was decided."""
        return {one.item_id: one.verdict == "right" for one in self.judgements if one.verdict}

    @property
    def undecided(self) -> tuple[Judgement, ...]:
        """Those whose reply holds no verdict; they are in no accuracy."""
        return tuple(one for one in self.judgements if one.verdict is None)

    @property
    def accuracy(self) -> float | None:
        """Share of the decided items that are right; None where none is."""
        return sum(self.marks.values()) / len(self.marks) if self.marks else None

    @property
    def ci95(self) -> Interval | None:
        """Its 95 % Wilson interval."""
        return wilson_interval(sum(self.marks.values()), len(self.marks)) if self.marks else None

    @property
    def agreement(self) -> float | None:
        """Share of the decided items of which judge and rules say the same."""
        marks = self.marks
        return sum(marks[item] == self.rules[item] for item in marks) / len(marks) if marks else None

    @property
    def kappa(self) -> float | None:
        """Cohen's, of judge and rules; None where one of them says the same of every item."""
        return cohens_kappa([(mark, self.rules[item]) for item, mark in self.marks.items()])

    def difference_to(self, base: Judged) -> PairedDifference | None:
        """Over the items that were decided for both; None where there is none."""
        ours, theirs = self.marks, base.marks
        both = ours.keys() & theirs.keys()
        if not both:
            return None
        return paired_difference({i: theirs[i] for i in theirs if i in both}, {i: ours[i] for i in theirs if i in both})


def judge_results(judge: Judge, suites: Sequence[Suite], results: Results) -> dict[str, Judged]:
    """Have the answers of `results` judged: by suite, the looks of a lab task pooled.

    Raises:
        JudgeError: as `Judge.judge_items`; what was judged by then is kept.
    """
    items = {item.id: item for suite in suites for item in suite.items}
    answers = {mark.item_id: mark.given or mark.text for result in results.values() for mark in result.answered}
    found = judge.judge_items([items[item_id] for item_id in answers], answers)
    return {name: _judged(result, found) for name, result in pool_looks(results.values()).items()}


def judged_lines(judged: Mapping[str, Judged], base: Mapping[str, Judged] | None = None) -> Iterator[str]:
    """A line a suite, and what was left undecided."""
    for name, one in judged.items():
        yield f"{name}, judged: " + ", ".join(_parts(one, base[name] if base else None))
        for undecided in one.undecided[:_SHOWN]:
            # As JSON, so that nothing a model wrote reaches the terminal as it is.
            yield f"  undecided {undecided.item_id}: {json.dumps(undecided.reply[-_SHOWN_LETTERS:])}"
        if len(one.undecided) > _SHOWN:
            yield f"  and {len(one.undecided) - _SHOWN} more undecided"


def judged_summary(judged: Mapping[str, Judged], base: Mapping[str, Judged] | None = None) -> dict[str, Any]:
    """JSON-able figures by suite, with the verdict on every item and the reply where there is none."""
    return {
        name: {**_figures(one), "base": _figures(base[name]) if base else None, **_difference(one, base)}
        for name, one in judged.items()
    }


def _judged(result: SuiteResult, found: Mapping[str, Judgement]) -> Judged:
    marks = result.marks()
    return Judged(result.name, tuple(found[item_id] for item_id in marks), marks)


def _parts(one: Judged, base: Judged | None) -> Iterator[str]:
    if one.accuracy is not None and one.ci95 is not None and one.agreement is not None:
        low, high = one.ci95
        yield f"{100 * one.accuracy:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {len(one.marks)} items"
    yield f"{len(one.undecided)} undecided"
    if one.agreement is not None:
        kappa = "none" if one.kappa is None else f"{one.kappa:.2f}"
        yield f"agrees with the rules on {100 * one.agreement:.1f} % (kappa {kappa}, {len(one.marks)} items)"
    difference = one.difference_to(base) if base else None
    if difference:
        yield f"{points(difference.mean, difference.ci95)} from the base on {difference.n} items"


def _figures(one: Judged) -> dict[str, Any]:
    return {
        "accuracy": one.accuracy,
        "ci95": list(one.ci95) if one.ci95 else None,
        "n": len(one.marks),
        "undecided": len(one.undecided),
        "agreement": {"share": one.agreement, "kappa": one.kappa, "n": len(one.marks)},
        "verdicts": {judgement.item_id: judgement.verdict for judgement in one.judgements},
        "replies_without_verdict": {judgement.item_id: judgement.reply for judgement in one.undecided},
    }


def _difference(one: Judged, base: Mapping[str, Judged] | None) -> dict[str, Any]:
    found = one.difference_to(base[one.name]) if base else None
    if found is None:
        return {}
    return {"difference": {"mean": found.mean, "ci95": list(found.ci95), "p_mcnemar": found.p_mcnemar, "n": found.n}}
