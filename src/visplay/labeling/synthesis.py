"""Making a silver set: candidate questions, their silver answers, and the gates they must pass."""

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
_CHUNK = 512  # images put to the engine at once: bounds the memory of texts in flight


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Everything one synthesis asked, and what of it passed the gates.

    `asked` counts completions of the Questioner, `candidates` the valid ones that are not
    the same words about the same image again; `dropped` names the gate and its reason by
    question id, for those with an answer that did not pass.
    """

    asked: int
    valid: int
    candidates: tuple[Candidate, ...]
    items: tuple[SilverItem, ...]
    dropped: Mapping[str, tuple[str, str]]

    def statistics(self) -> dict[str, object]:
        """Counts, shares and the confidence histogram, for the metrics."""
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
    """N questions per image, m answers a question, a silver answer, gates (arXiv 2511.15661, section 3; there the
    majority and the band).

    Args:
        questions_per_image: N.
        votes: m.
        tag: begins the ids of the questions.
    """
    asked = valid = 0
    candidates: list[Candidate] = []
    for start in range(0, len(images), _CHUNK):
        batch = questioner.ask(images[start : start + _CHUNK], questions_per_image, tag)
        asked += len(batch)
        written = [one.question for one in batch if one.question is not None]
        valid += len(written)
        candidates += labeler.label(distinct(written), votes, voter)
    passed, dropped = apply_gates(gates, candidates, voter)
    items = tuple(
        SilverItem(c.question, c.result.answer, c.result.confidence, c.votes)
        for c in passed
        if c.result.answer is not None
    )
    return Synthesis(asked, valid, tuple(candidates), items, dropped)


def distinct(questions: Iterable[Question]) -> list[Question]:
    """The questions, each text once per image, whatever its case."""
    seen: dict[tuple[str, str], Question] = {}
    for question in questions:
        seen.setdefault((question.image.id, question.text.lower()), question)
    return list(seen.values())
