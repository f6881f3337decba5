"""The gate `parsable`: a question whose meaning is unknown cannot be checked, so it would pass other gates easily."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.labeling.language.meaning import read_meaning
from visplay.types import Candidate


class Parsable(Gate, type="parsable"):
    """Rejects a question that the grammar in `visplay.labeling.language` cannot parse.

    A Questioner that is rewarded for doubt drifts towards slips of grammar: they make the Reasoner doubt, and no list
    of facts can contradict them. Few questions about photographs are parsable, so the gate suits small worlds.
    """

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        unread = (c.question for c in candidates if read_meaning(c.question.text) is None)
        return {question.id: f"'{question.text}' is not in the grammar" for question in unread}
