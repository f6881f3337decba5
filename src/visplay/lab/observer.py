"""Compares labels and verdicts of a run with known true answers. Training never reads these metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from visplay.answers import match
from visplay.evaluation.statistics import paired_difference
from visplay.interfaces.labeler import Voter
from visplay.lab.truth import Truth
from visplay.labeling.gates.band import Band
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.synthesis import apply_gates
from visplay.types import Candidate, Question, VoteResult

PAPER_GATES = (Band(low=0.25, high=0.75),)


class LabObserver:
    """An `Observer` that knows the true answers."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    def on_silver_set(
        self, candidates: Sequence[Candidate], kept: Collection[str], voter: Voter, votes: int, compared: int
    ) -> dict[str, Any]:
        """See `silver_truth` and `paper_comparison`."""
        questions = [c.question for c in candidates[:compared]]
        labelled = [(c.question, c.result) for c in candidates]
        return silver_truth(self.truth, labelled, kept) | paper_comparison(self.truth, voter, questions, votes)

    def on_verdict(
        self, questions: Sequence[Question], before: Mapping[str, str | None], now: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """See `oracle_verdict`."""
        return oracle_verdict(self.truth, questions, before, now)


def silver_truth(
    truth: Truth, candidates: Sequence[tuple[Question, VoteResult]], kept: Collection[str]
) -> dict[str, Any]:
    """Label accuracy of the kept questions, and of all candidates by confidence.

    Args:
        kept: ids of the questions in the silver set.
    Returns:
        `label_accuracy`: share of the kept questions with the true answer; a question without a true answer counts as
        wrong. `answerable`: share of the kept questions that have a true answer. Both are None if no question is kept.
        `label_accuracy_by_confidence`: accuracy of all candidates in ten bins of confidence, None for an empty bin.
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


def paper_comparison(truth: Truth, voter: Voter, questions: Sequence[Question], votes: int) -> dict[str, Any]:
    """Label accuracy of the paper's recipe, majority vote and band (0.25 to 0.75), on the same questions.

    Returns:
        `paper_label_accuracy` and `paper_answerable`, as in `silver_truth`; the counts `paper_kept` and `paper_asked`.
        Empty if there is no question.
    """
    if not questions:
        return {}
    candidates = Majority().label(questions, votes, voter)
    passed, _ = apply_gates(PAPER_GATES, candidates, voter)
    found = silver_truth(truth, [(c.question, c.result) for c in candidates], [c.question.id for c in passed])
    return {
        "paper_label_accuracy": found["label_accuracy"],
        "paper_answerable": found["answerable"],
        "paper_kept": len(passed),
        "paper_asked": len(questions),
    }


def oracle_verdict(
    truth: Truth, questions: Sequence[Question], before: Mapping[str, str | None], now: Mapping[str, str | None]
) -> dict[str, Any]:
    """The verdict by true answers, for the answers before and after an iteration, by question id.

    Returns:
        `true_accuracy`: share of the answerable questions with a true answer now; `true_change` and `true_ci95`: its
        change and 95 % interval; `oracle_accepts`: whether the interval's upper end is at least 0. Empty if no question
        is answerable.
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
