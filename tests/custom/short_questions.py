"""A gate of a user's own."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.types import Candidate


class ShortQuestions(Gate):
    """Rejects a question with more than `limit` words."""

    limit: int = Field(5, ge=1, description="most words")

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        words = {c.question.id: len(c.question.text.split()) for c in candidates}
        return {name: f"{count} words" for name, count in words.items() if count > self.limit}
