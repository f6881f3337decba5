"""Synthesis of a silver set: candidate questions, their silver answers, and gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from visplay.answers import is_refusal
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Labeler, Voter
from visplay.roles.questioner import Asked, Questioner
from visplay.types import Candidate, ImageRef, Question, SilverItem

_BINS = 10  # of the histogram of confidences
_CHUNK = 512  # images per call of the engine; limits the memory of texts


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The result of a synthesis."""

    asked: int  # completions of the Questioner
    valid: int  # completions with a question in the required format
    candidates: tuple[Candidate, ...]  # the valid questions without repetitions, with their silver answers
    items: tuple[SilverItem, ...]  # the silver set: candidates that passed all gates
    dropped: Mapping[str, tuple[str, str]]  # gate and reason of each rejected candidate, by question id
    left_out: tuple[Asked, ...] = ()  # the other completions: in another form, or a question once more

    def about(self, images: Collection[str]) -> Synthesis:
        """Without the questions about other images: some of their votes may be missing."""
        candidates = tuple(candidate for candidate in self.candidates if candidate.question.image.id in images)
        items = tuple(item for item in self.items if item.question.image.id in images)
        left_out = tuple(entry for entry in self.left_out if entry.request.image.id in images)
        return replace(self, candidates=candidates, items=items, left_out=left_out)

    def statistics(self) -> dict[str, object]:
        """Metrics: counts, shares and the histogram of confidences."""
        results = [candidate.result for candidate in self.candidates]
        answers = [result.answer for result in results]
        bins = Counter(min(int(result.confidence * _BINS), _BINS - 1) for result in results)
        types = Counter(candidate.question.type for candidate in self.candidates)
        # An image's records are the evidence of each of its questions.
        by_image = {candidate.question.image.id: candidate.evidence for candidate in self.candidates}
        forms = Counter(evidence.form for read in by_image.values() for evidence in read if evidence.form)
        votes = sum(result.votes for result in results)
        return {
            "asked": self.asked,
            "valid": self.valid,
            "candidates": len(results),
            "refused": sum(answer is not None and is_refusal(answer) for answer in answers),
            "unlabelled": answers.count(None),
            "dropped": dict(Counter(gate for gate, _ in self.dropped.values())),
            "kept": len(self.items),
            "distinct_texts": len({candidate.question.text for candidate in self.candidates}),
            "mean_confidence": sum(result.confidence for result in results) / len(results) if results else None,
            "unboxed_share": sum(result.unboxed for result in results) / votes if votes else None,
            "confidence_histogram": [bins[i] for i in range(_BINS)],
            "types": dict(sorted(types.items())),
            **({"records": dict(sorted(forms.items()))} if forms else {}),
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
    """Ask questions about images, label each by votes, and apply the gates (arXiv 2511.15661, section 3).

    `tag` is the first part of the questions' ids.
    """
    asked = valid = 0
    candidates: list[Candidate] = []
    left_out: list[Asked] = []
    for start in range(0, len(images), _CHUNK):
        batch = questioner.ask(images[start : start + _CHUNK], questions_per_image, tag)
        questions = [entry.question for entry in batch if entry.question is not None]
        asked, valid = asked + len(batch), valid + len(questions)
        put = distinct(questions)
        candidates += labeler.label(put, votes, voter)
        ids = {question.id for question in put}
        left_out += [entry for entry in batch if entry.key not in ids]
    passed, dropped = apply_gates(gates, candidates, voter)
    items = tuple(SilverItem(c.question, c.result.answer or "", c.result.confidence, c.votes) for c in passed)
    return Synthesis(asked, valid, tuple(candidates), items, dropped, tuple(left_out))


def distinct(questions: Iterable[Question]) -> list[Question]:
    """The questions without repetitions: each text once per image, ignoring case."""
    seen: dict[tuple[str, str], Question] = {}
    for question in questions:
        seen.setdefault((question.image.id, question.text.lower()), question)
    return list(seen.values())


def apply_gates(
    gates: Sequence[Gate], candidates: Sequence[Candidate], voter: Voter
) -> tuple[list[Candidate], dict[str, tuple[str, str]]]:
    """The candidates that pass all gates, in order; and for rejected ones, by question id, the gate and its reason.

    Candidates without an answer are in neither.
    """
    passed = [candidate for candidate in candidates if candidate.result.answer is not None]
    rejected: dict[str, tuple[str, str]] = {}
    for gate in gates:
        reasons = gate.reject(passed, voter)
        rejected |= {question_id: (gate.name, reason) for question_id, reason in reasons.items()}
        passed = [candidate for candidate in passed if candidate.question.id not in reasons]
    return passed, rejected
