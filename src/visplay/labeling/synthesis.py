"""Synthesis of a silver set: candidate questions, their silver answers, and gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from visplay.answers import is_refusal
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Labeler, Voter
from visplay.labeling.apply_gates import apply_gates
from visplay.roles.questioner import Questioner
from visplay.types import Candidate, ImageRef, Question, SilverItem

HISTOGRAM_BINS = 10
_CHUNK = 512  # images per call of the engine; limits the memory of texts


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The result of a synthesis.

    Attributes:
        asked: number of completions of the Questioner.
        valid: number of completions with a question in the required format.
        candidates: the valid questions without repetitions, with their silver answers.
        items: the silver set: candidates that passed all gates.
        dropped: gate and reason of each rejected candidate, by question id.
    """

    asked: int
    valid: int
    candidates: tuple[Candidate, ...]
    items: tuple[SilverItem, ...]
    dropped: Mapping[str, tuple[str, str]]

    def statistics(self) -> dict[str, object]:
        """Metrics: counts, shares and the histogram of confidences."""
        confidences = [c.result.confidence for c in self.candidates]
        bins = Counter(min(int(c * HISTOGRAM_BINS), HISTOGRAM_BINS - 1) for c in confidences)
        types = Counter(c.question.type for c in self.candidates)
        votes = sum(c.result.votes for c in self.candidates)
        return {
            "asked": self.asked,
            "valid": self.valid,
            "candidates": len(self.candidates),
            "refused": sum(c.result.answer is not None and is_refusal(c.result.answer) for c in self.candidates),
            "unlabelled": sum(c.result.answer is None for c in self.candidates),
            "dropped": dict(Counter(gate for gate, _ in self.dropped.values())),
            "kept": len(self.items),
            "distinct_texts": len({c.question.text for c in self.candidates}),
            "mean_confidence": sum(confidences) / len(confidences) if confidences else None,
            "unboxed_share": sum(c.result.unboxed for c in self.candidates) / votes if votes else None,
            "confidence_histogram": [bins[i] for i in range(HISTOGRAM_BINS)],
            "types": {name: types[name] for name in sorted(types)},
        }


def synthesize(
    questioner: Questioner,
    labeler: Labeler,
    gates: Sequence[Gate],
    voter: Voter,
    images: Sequence[ImageRef],
    questions_per_image: int,
    votes: int,
    tag: str,
) -> Synthesis:
    """Ask N questions per image, label each by m votes, and apply the gates (arXiv 2511.15661, section 3).

    Args:
        questions_per_image: N.
        votes: m.
        tag: first part of the questions' ids.
    """
    asked = valid = 0
    candidates: list[Candidate] = []
    for start in range(0, len(images), _CHUNK):
        batch = questioner.ask(images[start : start + _CHUNK], questions_per_image, tag)
        asked += len(batch)
        questions = [entry.question for entry in batch if entry.question is not None]
        valid += len(questions)
        candidates += labeler.label(distinct(questions), votes, voter)
    passed, dropped = apply_gates(gates, candidates, voter)
    items = tuple(
        SilverItem(c.question, c.result.answer, c.result.confidence, c.votes)
        for c in passed
        if c.result.answer is not None
    )
    return Synthesis(asked, valid, tuple(candidates), items, dropped)


def distinct(questions: Iterable[Question]) -> list[Question]:
    """The questions without repetitions: each text once per image, ignoring case."""
    seen: dict[tuple[str, str], Question] = {}
    for question in questions:
        seen.setdefault((question.image.id, question.text.lower()), question)
    return list(seen.values())
