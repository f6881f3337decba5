"""How true a silver set is, where the lab's oracle can say. It is looked at, never trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visplay.answers import match
from visplay.evaluation.statistics import paired_difference
from visplay.lab.drawings import kept_drawings
from visplay.lab.truth import Truth, drawn, read_flat_scene
from visplay.labeling.gates import apply_gates
from visplay.labeling.gates.band import Band
from visplay.labeling.labelers.majority import Majority
from visplay.roles.reasoner import Reasoner
from visplay.types import Question, VoteResult

PAPER_BAND = (0.25, 0.75)


def truth_about(images: str, count: int, seed: int) -> Truth | None:
    """The oracle for a source of images: the lab's own, easy-vqa, or None for any other."""
    if images == "easy-vqa":
        return Truth(read_flat_scene)
    if images.startswith("lab/"):
        return Truth(drawn(kept_drawings(images.removeprefix("lab/"), count, seed)[1]))
    return None


def silver_truth(
    truth: Truth, candidates: Sequence[tuple[Question, VoteResult]], kept: set[str]
) -> dict[str, float | list[float | None] | None]:
    """Shares among the kept questions, and label accuracy by confidence among all.

    Args:
        kept: ids of the questions in the silver set.
    Returns:
        `label_accuracy`: the silver answer is the true one, a question without a true answer
        counting as wrong; `answerable`: the question has a true answer; both over the kept
        questions, None if there are none. `label_accuracy_by_confidence`: ten bins of
        confidence over all candidates, None where a bin is empty.
    """
    bins: list[list[bool]] = [[] for _ in range(10)]
    right = answerable = 0
    for question, result in candidates:
        answer = truth.answer(question)
        correct = answer is not None and result.answer is not None and match(result.answer, answer)
        bins[min(int(result.confidence * 10), 9)].append(correct)
        if question.id in kept:
            right += correct
            answerable += answer is not None
    return {
        "label_accuracy": right / len(kept) if kept else None,
        "answerable": answerable / len(kept) if kept else None,
        "label_accuracy_by_confidence": [sum(b) / len(b) if b else None for b in bins],
    }


def paper_comparison(truth: Truth, reasoner: Reasoner, questions: Sequence[Question], votes: int) -> dict[str, Any]:
    """What the paper's majority vote and band (0.25 to 0.75) make of questions; nothing where there are none.

    Returns:
        `paper_label_accuracy` and `paper_answerable`: as in `silver_truth`; `paper_kept` of `paper_asked`.
    """
    if not questions:
        return {}
    candidates = Majority(reasoner).label(questions, votes)
    passed, _ = apply_gates({"band": Band(*PAPER_BAND)}, candidates)
    found = silver_truth(truth, [(c.question, c.result) for c in candidates], {c.question.id for c in passed})
    return {
        "paper_label_accuracy": found["label_accuracy"],
        "paper_answerable": found["answerable"],
        "paper_kept": len(passed),
        "paper_asked": len(questions),
    }


def oracle_verdict(
    truth: Truth, questions: Sequence[Question], before: Mapping[str, str | None], now: Mapping[str, str | None]
) -> dict[str, Any]:
    """What a judge who knows the truth says of answers, by question id, to the same questions, before and now.

    Returns:
        `true_accuracy`: share of the answerable questions answered right now; `true_change` with its interval; and
        `oracle_accepts`: that the interval does not lie below 0. Empty where no question is answerable.
    """
    answers = {question.id: truth.answer(question) for question in questions}
    true = {name: answer for name, answer in answers.items() if answer is not None}
    if not true:
        return {}
    change = paired_difference(_right(true, before), _right(true, now))
    return {
        "true_accuracy": sum(_right(true, now).values()) / len(true),
        "true_change": change.mean,
        "true_ci95": list(change.ci95),
        "oracle_accepts": change.ci95.high >= 0,
    }


def _right(true: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, bool]:
    answers = {name: given[name] for name in true}
    return {name: answer is not None and match(answer, true[name]) for name, answer in answers.items()}
