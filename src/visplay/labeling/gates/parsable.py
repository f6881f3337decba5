"""The gate `parsable`: rejects questions outside the grammar, because other gates cannot check their answers."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.labeling.language import read_meaning
from visplay.types import Candidate


class Parsable(Gate, type="parsable"):
    """Rejects a question that the grammar in `visplay.labeling.language` cannot parse.

    A Questioner that is rewarded for uncertainty drifts towards ungrammatical questions: they lower the Reasoner's
    confidence, and the labeler `facts` cannot check them. Few questions about photographs are parsable, so the gate is
    for images with few kinds of things. It judges the Questioner alone: task sources do not drift.
    """

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        asked = (c.question for c in candidates if c.question.source == "questioner")
        unparsed = (question for question in asked if read_meaning(question.text) is None)
        return {question.id: f"'{question.text}' is not in the grammar" for question in unparsed}
