"""Compares labels and verdicts of a run with known true answers. Training never reads these metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

from visplay.answers import extract_boxed, match
from visplay.evaluation.statistics import paired_difference
from visplay.interfaces.image_source import ImageSource
from visplay.interfaces.labeler import Voter
from visplay.lab.truth import Truth
from visplay.labeling.gates.band import Band
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.synthesis import apply_gates
from visplay.types import Candidate, Group, Question, SilverItem

PAPER_GATES = (Band(low=0.25, high=0.75),)
_RIGHT = 0.5  # a completion with a larger reward was rewarded as right


@dataclass(frozen=True, slots=True)
class LabObserver:
    """An `Observer` that knows the true answers."""

    truth: Truth

    def on_silver_set(
        self, candidates: Sequence[Candidate], kept: Collection[str], voter: Voter, votes: int, compared: int
    ) -> dict[str, Any]:
        """See `silver_truth` and `paper_comparison`; exact tasks, true by construction, are left out of both."""
        candidates = [candidate for candidate in candidates if not candidate.question.image.made]
        kept = {candidate.question.id for candidate in candidates} & set(kept)
        questions = [candidate.question for candidate in candidates[:compared]]
        return silver_truth(self.truth, candidates, kept) | paper_comparison(self.truth, voter, questions, votes)

    def on_verdict(
        self, questions: Sequence[Question], before: Mapping[str, str | None], now: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """The verdict by true answers; empty if no question is answerable.

        Returns:
            `true_accuracy`: share of the answerable questions with a true answer now; `true_change` and `true_ci95`:
            its change and 95 % interval; `oracle_accepts`: whether the interval's upper end is at least 0.
        """
        was_right, is_right = {}, {}
        for question in questions:
            answer = self.truth.answer(question)
            if answer is not None:
                was_right[question.id] = is_true(before[question.id], answer)
                is_right[question.id] = is_true(now[question.id], answer)
        if not is_right:
            return {}
        images = {question.id: question.image.id for question in questions}
        change = paired_difference(was_right, is_right, images)
        return {
            "true_accuracy": sum(is_right.values()) / len(is_right),
            "true_change": change.mean,
            "true_ci95": list(change.ci95),
            "oracle_accepts": change.ci95.high >= 0,
        }

    def on_reasoner_step(
        self, items: Sequence[SilverItem], groups: Sequence[Group], advantages: Sequence[Sequence[float]]
    ) -> dict[str, Any]:
        """How true the rewards and labels of a training step are.

        Returns:
            `reward_accuracy`: share of the completions that were rewarded rightly, that is, if and only if the boxed
            answer is true, over questions that have a true answer. `label_accuracy`: share of the questions with a true
            silver answer. `learned_label_accuracy`: the same, each weighted by its sum of absolute advantages.
            None where there is nothing to count. Exact tasks, true by construction, are left out.
        """
        measured = [place for place, item in enumerate(items) if not item.question.image.made]
        items = [items[place] for place in measured]
        groups, advantages = [groups[place] for place in measured], [advantages[place] for place in measured]
        answers = [self.truth.answer(item.question) for item in items]
        rewarded = [
            (reward > _RIGHT) == is_true(extract_boxed(completion.text), answer)
            for answer, group in zip(answers, groups, strict=True)
            for completion, reward in zip(group.completions, group.rewards, strict=True)
            if answer is not None
        ]
        labels = [is_true(item.answer, answer) for item, answer in zip(items, answers, strict=True)]
        weights = [sum(map(abs, of_group)) for of_group in advantages]
        learned = sum(weight for weight, label in zip(weights, labels, strict=True) if label)
        return {
            "reward_accuracy": fmean(rewarded) if rewarded else None,
            "label_accuracy": fmean(labels) if labels else None,
            "learned_label_accuracy": learned / sum(weights) if any(weights) else None,
        }


class KnownImages(ImageSource):
    """A source of images whose scenes are known."""

    is_lab: ClassVar[bool] = True

    def truth(self, seed: int) -> Truth:
        """The true answers for the images of a run with this seed; for measurement only."""
        raise NotImplementedError

    def observer(self, seed: int) -> LabObserver:
        return LabObserver(self.truth(seed))


def is_true(given: str | None, answer: str | None) -> bool:
    """Whether a given answer is the true answer; never where either is missing."""
    return given is not None and answer is not None and match(given, answer)


def silver_truth(truth: Truth, candidates: Sequence[Candidate], kept: Collection[str]) -> dict[str, Any]:
    """Label accuracy of the questions whose ids are in `kept`, and of all candidates by confidence.

    Returns:
        `label_accuracy`: share of the kept questions with the true answer. `answerable`: share that has a true answer.
        Both are None if no question is kept. `label_accuracy_by_confidence`: in ten bins, None for an empty bin.
    """
    bins: list[list[bool]] = [[] for _ in range(10)]
    right = answerable = 0
    for candidate in candidates:
        answer = truth.answer(candidate.question)
        correct = is_true(candidate.result.answer, answer)
        bins[min(int(candidate.result.confidence * 10), 9)].append(correct)
        if candidate.question.id in kept:
            right += correct
            answerable += answer is not None
    return {
        "label_accuracy": right / len(kept) if kept else None,
        "answerable": answerable / len(kept) if kept else None,
        "label_accuracy_by_confidence": [sum(b) / len(b) if b else None for b in bins],
    }


def paper_comparison(truth: Truth, voter: Voter, questions: Sequence[Question], votes: int) -> dict[str, Any]:
    """`silver_truth` of the paper's recipe, majority vote and band (0.25 to 0.75); empty if there is no question."""
    if not questions:
        return {}
    candidates = Majority().label(questions, votes, voter)
    passed, _ = apply_gates(PAPER_GATES, candidates, voter)
    found = silver_truth(truth, candidates, [candidate.question.id for candidate in passed])
    return {
        "paper_label_accuracy": found["label_accuracy"],
        "paper_answerable": found["answerable"],
        "paper_kept": len(passed),
        "paper_asked": len(questions),
    }
