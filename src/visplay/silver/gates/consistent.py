"""What is said about one picture must hold together: with what it implies, and with what else is said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from visplay.answers import vote
from visplay.english.implied import implied
from visplay.english.possible import contradicting
from visplay.english.statement import Statement, state
from visplay.records import Question, View
from visplay.roles.reasoner import Reasoner
from visplay.silver.candidate import Candidate
from visplay.silver.gates.follow_up import follow_up


class Consistent:
    """Drops a question whose silver answer cannot be true beside the others of its picture, or beside what the
    Reasoner answers to the questions it implies. Of candidates that contradict one another, all are dropped.

    Args:
        views: looks at the picture that answers are spread over.
        votes: answers to each implied question; the majority counts.
    """

    def __init__(self, reasoner: Reasoner, views: Sequence[View], votes: int) -> None:
        self.reasoner = reasoner
        self.views = views
        self.votes = votes

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        stated = {c.question.id: state(c.question.text, c.tally.answer or "") for c in candidates}
        plain = [(c.question, statement) for c in candidates if (statement := stated[c.question.id]) is not None]
        together: defaultdict[str, list[tuple[Question, Statement]]] = defaultdict(list)
        for question, statement in plain:
            together[question.picture.id].append((question, statement))
        replied = self._replied(plain)
        found: dict[str, str] = {}
        for question, statement in plain:
            others = [other for one, other in together[question.picture.id] if one.id != question.id]
            against = contradicting(statement, others) or contradicting(statement, replied[question.id])
            if against:
                told = " and ".join(f"'{other.question}' {other.answer}" for other in against)
                found[question.id] = f"at odds with {told}"
        return found

    def _replied(self, plain: Sequence[tuple[Question, Statement]]) -> dict[str, list[Statement]]:
        """What the majority answers to the questions that each statement implies, by the id of its question."""
        wanted = [(question, implied(statement)) for question, statement in plain]
        replies = follow_up(self.reasoner, wanted, "implied", self.votes, self.views)
        said = {key: state(key[1], vote([v.answer for v in given])[0] or "") for key, given in replies.items()}
        return {
            question.id: [reply for text in texts if (reply := said[question.picture.id, text]) is not None]
            for question, texts in wanted
        }
