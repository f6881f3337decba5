"""What was asked before teaches little: an image is not asked the same thing twice, nor a whole set one thing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from visplay.labeling.candidate import Candidate
from visplay.rl.rewards import clusters
from visplay.types import Question


class New:
    """Drops near-duplicates about one image, of this set or of earlier ones, and what too much of the set asks.

    Args:
        known: questions of earlier silver sets.
        threshold: distance 1 − BLEU below which two texts about one image are near-duplicates.
        most: largest share of the candidates that may be the very same text, the least confident going first.
    """

    def __init__(self, known: Iterable[Question], threshold: float, most: float) -> None:
        self.known: defaultdict[str, list[str]] = defaultdict(list)
        for question in known:
            self.known[question.image.id].append(question.text)
        self.threshold = threshold
        self.most = most

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        found = self._asked_before(candidates)
        left = [candidate for candidate in candidates if candidate.question.id not in found]
        return found | self._too_many(left)

    def _asked_before(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        asked = {image_id: list(texts) for image_id, texts in self.known.items()}
        found: dict[str, str] = {}
        for candidate in candidates:
            question = candidate.question
            earlier = asked.setdefault(question.image.id, [])
            twin = self._twin(question.text, earlier)
            if twin is None:
                earlier.append(question.text)
            else:
                found[question.id] = f"this image was asked '{twin}'"
        return found

    def _twin(self, text: str, earlier: Sequence[str]) -> str | None:
        # Of fewer than four words even the very same text has a BLEU below 1.
        first, *others = clusters([text, *earlier], self.threshold)
        labelled = zip(earlier, others, strict=True)
        return next((old for old, label in labelled if label == first or old.lower() == text.lower()), None)

    def _too_many(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        limit = max(1, int(self.most * len(candidates)))
        taken: Counter[str] = Counter()
        found: dict[str, str] = {}
        for candidate in sorted(candidates, key=lambda c: (-c.result.confidence, c.question.id)):
            text = candidate.question.text.lower()
            taken[text] += 1
            if taken[text] > limit:
                found[candidate.question.id] = f"{limit} questions ask this already"
        return found
