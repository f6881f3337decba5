"""No answer may make up most of what is learned: a model that always says it would be right too often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from visplay.answers import normalise
from visplay.labeling.candidate import Candidate


class Balance:
    """Drops questions of an answer that takes more than its share, the least confident first.

    Args:
        most: largest share of the questions kept that may have one and the same answer.
    """

    def __init__(self, most: float) -> None:
        self.most = most

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        by_answer: defaultdict[tuple[str, ...], list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            by_answer[normalise(candidate.result.answer or "").key].append(candidate)
        limit = self._limit(sorted((len(group) for group in by_answer.values()), reverse=True))
        found: dict[str, str] = {}
        for group in by_answer.values():
            surplus = sorted(group, key=lambda c: (-c.result.confidence, c.question.id))[limit:]
            found |= {c.question.id: f"{len(group)} questions have this answer, {limit} may" for c in surplus}
        return found

    def _limit(self, sizes: Sequence[int]) -> int:
        """The most questions of one answer such that none has more than its share of what is left."""
        limit = sizes[0] if sizes else 0
        while limit > 1 and limit > self.most * sum(min(size, limit) for size in sizes):
            limit -= 1
        return limit
