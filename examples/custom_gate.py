"""A gate of your own: questions with a long silver answer are rejected. It needs no change of visplay.

visplay evolve --preset examples/custom_gate.yaml --import examples.custom_gate --out runs/short-answers
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay import Voter
from visplay.interfaces.gate import Gate
from visplay.types import Candidate


class ShortAnswer(Gate):
    """Rejects a question whose silver answer has more than `words` words."""

    words: int = Field(3, ge=1, description="most words of a silver answer")

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        long = {c.question.id: len((c.result.answer or "").split()) for c in candidates}
        return {id_: f"the answer has {count} words" for id_, count in long.items() if count > self.words}
