"""What a judge found on suites: accuracy, what it left undecided, and how far it agrees with the rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from visplay.evaluation.judge.prompt import read_verdict
from visplay.evaluation.results import Results, pool_looks
from visplay.evaluation.statistics import Images, accuracy_interval, cohens_kappa, paired_difference
from visplay.evaluation.table import points
from visplay.types import Suite

if TYPE_CHECKING:
    from visplay.evaluation.judge.client import Judge

_SHOWN = 5
_SHOWN_LETTERS = 160


def judge_results(judge: Judge, suites: Sequence[Suite], results: Results) -> dict[str, dict[str, Any]]:
    """`judged_figures` of the answers in `results`: by suite, with the styles of a lab task pooled.

    Raises:
        JudgeError: as `Judge.replies`.
    """
    items = {item.id: item for suite in suites for item in suite.items}
    answers = {mark.item_id: mark.given or mark.text for result in results.values() for mark in result.answered}
    replies = judge.replies([items[item_id] for item_id in answers], answers)
    pooled = pool_looks(results.values())
    return {name: judged_figures(replies, result.marks(), result.images()) for name, result in pooled.items()}


def judged_figures(replies: Mapping[str, str], rules: Mapping[str, bool], images: Images) -> dict[str, Any]:
    """Figures of a suite as JSON values, with the verdict on every item; a reply without a verdict is included.

    Accuracy and agreement are shares of the decided items. An item without a reply had no answer, so it is wrong.
    `rules` has the mark of every item by the rules: right or wrong.
    """
    verdicts = {item: read_verdict(replies[item]) if item in replies else "wrong" for item in rules}
    marks = _marks(verdicts)
    n, right, agreed = len(marks), sum(marks.values()), sum(mark == rules[item] for item, mark in marks.items())
    kappa = cohens_kappa([(mark, rules[item]) for item, mark in marks.items()])
    undecided = {item: replies[item] for item, verdict in verdicts.items() if verdict is None}
    return {
        "accuracy": right / n if n else None,
        "ci95": list(accuracy_interval(marks, images)) if n else None,
        "n": n,
        "undecided": len(undecided),
        "agreement": {"share": agreed / n if n else None, "kappa": kappa, "n": n},
        "verdicts": verdicts,
        "replies_without_verdict": undecided,
    }


def judged_summary(judged: Mapping[str, Any], images: Images, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The figures with those of the base, and the difference over the items that have a verdict for both."""
    summary = {}
    for name, figures in judged.items():
        before = _marks(base[name]["verdicts"]) if base else {}
        after = {item: mark for item, mark in _marks(figures["verdicts"]).items() if item in before}
        summary[name] = figures | {"base": base[name] if base else None}
        if after:
            earlier = {item: before[item] for item in after}
            summary[name]["difference"] = asdict(paired_difference(earlier, after, images))
    return summary


def judged_lines(summary: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each suite, and the undecided replies."""
    for name, figures in summary.items():
        yield f"{name}, judged: " + ", ".join(_parts(figures))
        undecided = list(figures["replies_without_verdict"].items())
        for item, reply in undecided[:_SHOWN]:
            # As JSON, so that nothing a model wrote reaches the terminal as it is.
            yield f"  undecided {item}: {json.dumps(reply[-_SHOWN_LETTERS:])}"
        if len(undecided) > _SHOWN:
            yield f"  and {len(undecided) - _SHOWN} more undecided"


def _marks(verdicts: Mapping[str, str | None]) -> dict[str, bool]:
    """The marks of the decided items, by item id."""
    return {item: verdict == "right" for item, verdict in verdicts.items() if verdict}


def _parts(figures: Mapping[str, Any]) -> Iterator[str]:
    n, agreement = figures["n"], figures["agreement"]
    if n:
        low, high = figures["ci95"]
        yield f"{100 * figures['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {n} items"
    yield f"{figures['undecided']} undecided"
    if n:
        kappa = "none" if agreement["kappa"] is None else f"{agreement['kappa']:.2f}"
        yield f"agrees with the rules on {100 * agreement['share']:.1f} % (kappa {kappa}, {n} items)"
    if "difference" in figures:
        difference = figures["difference"]
        yield f"{points(difference['mean'], difference['ci95'])} from the base on {difference['n']} items"
