"""What a labeler is: answers in, a silver answer and how sure it is out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from visplay.labeling.candidate import Candidate
from visplay.types import Question


class Labeler(Protocol):
    """Puts questions to the Reasoner and says what came of it; it sees what any VLM gives, never the oracle."""

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        """Each question with its votes and their result, in order.

        A result without an answer says that the question has no silver answer; it never becomes silver.

        Args:
            votes: Reasoner answers a question.
        """
        ...
