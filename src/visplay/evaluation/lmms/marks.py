"""Which scores of an item say right or wrong, in the shapes that lmms-eval's tasks give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def right_or_wrong(scores: Mapping[str, Any]) -> bool | None:
    """The first of an item's scores that says so; None where none does, such as a judge's 0.4."""
    return next((mark for mark in (_mark(name, value) for name, value in scores.items()) if mark is not None), None)


def _mark(metric: str, value: Any) -> bool | None:
    if isinstance(value, Mapping):
        if metric == "mmmu_acc":
            return _mmmu(value)
        # MMStar, HallusionBench after its judge, MATH-Vision.
        for key in ("score", "correct", "scores"):
            if key in value:
                return _binary(value[key])
        return None
    return _binary(value)


def _binary(value: Any) -> bool | None:
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return bool(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def _mmmu(value: Mapping[str, Any]) -> bool:
    """MMMU is marked when it is summed up, by the rules of its authors."""
    from lmms_eval.tasks.mmmu.utils import evaluate_mmmu

    marks, _ = evaluate_mmmu([value])
    return bool(marks[value["id"]] == "Correct")
