"""How true a silver set is, where the lab's oracle can say. It is looked at, never trained on."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import match
from visplay.lab.drawings import drawings
from visplay.lab.truth import Truth, drawn, read_flat_scene
from visplay.records import Question, Tally


def truth_about(images: str, count: int, seed: int) -> Truth | None:
    """The oracle for a source of pictures: the lab's own, easy-vqa, or None for any other."""
    if images == "easy-vqa":
        return Truth(read_flat_scene)
    if images.startswith("lab/"):
        return Truth(drawn(drawings(images.removeprefix("lab/"), count, seed)[1]))
    return None


def silver_truth(
    truth: Truth, candidates: Sequence[tuple[Question, Tally]], kept: set[str]
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
    for question, tally in candidates:
        answer = truth.answer(question)
        correct = answer is not None and tally.answer is not None and match(tally.answer, answer)
        bins[min(int(tally.confidence * 10), 9)].append(correct)
        if question.id in kept:
            right += correct
            answerable += answer is not None
    return {
        "label_accuracy": right / len(kept) if kept else None,
        "answerable": answerable / len(kept) if kept else None,
        "label_accuracy_by_confidence": [sum(b) / len(b) if b else None for b in bins],
    }
