"""What is not asked in plain words cannot be checked, and would pass more easily than what can."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.labeling.candidate import Candidate
from visplay.labeling.language.meaning import read_meaning


class Plain:
    """Drops a question whose English is not plain enough to tell what it asks.

    A Questioner that is paid for doubt drifts towards slips of grammar, which make a Reasoner doubt and which no list
    of facts can contradict. Of what is asked about real images little is plain, so this gate is for small worlds.
    """

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        unread = (c.question for c in candidates if read_meaning(c.question.text) is None)
        return {question.id: f"'{question.text}' is not plain" for question in unread}
