"""What acceptance found out about an iteration: the one record that metrics, summary, page and model card share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """The mean change of a share between iterations, in [-1, 1], and its 95 % interval; None is an open end."""

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, mean: float, ci95: Sequence[float | None]) -> Change:
        """The change of a difference with its interval, whose ends may be infinite."""
        low, high = (end if end is not None and math.isfinite(end) else None for end in ci95)
        return cls(mean, low, high)

    def is_below(self, limit: float) -> bool:
        """Whether the whole interval lies below `limit`."""
        return self.high is not None and self.high < limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on an iteration. Every change is measured against the accepted iteration `against`.

    Attributes:
        against: the last accepted iteration before this one; 0 is the base.
        selected_iteration: the accepted iteration that the run would hand over after this verdict.
        kept: share of the trusted answers that are still given; None if the base had no trusted answer.
        agreement: mean confidence over the held-out questions; None if the base answered none of them.
        asking: mean share of an image's questions that have an answer, as the Questioner asks them.
        validation: share of right answers to the user's labelled items, with McNemar's exact p-value and the number of
            items; `validation_accuracy` is the share itself. None without a validation set.
        true: share of right answers to the held-out questions, in the lab, where the truth is known; `true_accuracy`
            is the share itself. `oracle_accepts`: by the truth alone, the iteration would be kept.
    """

    iteration: int
    accepted: bool
    against: int = 0
    selected_iteration: int | None = None
    kept: Change | None = None
    agreement: Change | None = None
    asking: Change | None = None
    validation: Change | None = None
    true: Change | None = None
    validation_p_mcnemar: float | None = None
    validation_items: int | None = None
    validation_accuracy: float | None = None
    true_accuracy: float | None = None
    oracle_accepts: bool | None = None

    def as_metrics(self) -> dict[str, Any]:
        """The figures of the verdict's line in metrics.jsonl: JSON values; what is None is left out."""
        figures: dict[str, Any] = {}
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if isinstance(value, Change):
                figures |= {f"{field.name}_change": value.mean, f"{field.name}_ci95": [value.low, value.high]}
            elif value is not None:
                figures[field.name] = value
        return figures

    @classmethod
    def from_metrics(cls, line: Mapping[str, Any]) -> Verdict:
        """The verdict that an `accept` line of metrics.jsonl, or an entry of summary.json, holds."""
        values: dict[str, Any] = {}
        for name in (field.name for field in fields(cls)):
            if f"{name}_change" in line:
                values[name] = Change.of(line[f"{name}_change"], line[f"{name}_ci95"])
            elif name in line:
                values[name] = line[name]
        return cls(**values)


def is_verdict(line: Mapping[str, Any]) -> bool:
    """Whether a line of metrics.jsonl holds a verdict; the `accept` line of iteration 0 holds none."""
    return bool(line["phase"] == "accept" and line["iteration"] > 0)


def last_accepted(verdicts: Sequence[Verdict]) -> int:
    """The last accepted iteration; 0, the base, where none was accepted."""
    return max((verdict.iteration for verdict in verdicts if verdict.accepted), default=0)
