"""What is said about one image must hold together: with what it implies, and with what else is said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from visplay.answers import vote
from visplay.labeling.candidate import Candidate
from visplay.labeling.gates.follow_up import follow_up
from visplay.labeling.language.implied import implied
from visplay.labeling.language.possible import contradicting
from visplay.labeling.language.statement import Statement, state
from visplay.roles.reasoner import Reasoner
from visplay.types import Augmentation, Question


class Consistent:
    """Drops a question whose silver answer cannot be true beside the others of its image, or beside what the
    Reasoner answers to the questions it implies. Of candidates that contradict one another, all are dropped.

    Args:
        augmentations: looks at the image that answers are spread over.
        votes: answers to each implied question; the majority counts.
    """

    def __init__(self, reasoner: Reasoner, augmentations: Sequence[Augmentation], votes: int) -> None:
        self.reasoner = reasoner
        self.augmentations = augmentations
        self.votes = votes

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        stated = {c.question.id: state(c.question.text, c.result.answer or "") for c in candidates}
        plain = [(c.question, statement) for c in candidates if (statement := stated[c.question.id]) is not None]
        together: defaultdict[str, list[tuple[Question, Statement]]] = defaultdict(list)
        for question, statement in plain:
            together[question.image.id].append((question, statement))
        replied = self._replied(plain)
        found: dict[str, str] = {}
        for question, statement in plain:
            others = [other for one, other in together[question.image.id] if one.id != question.id]
            against = contradicting(statement, others) or contradicting(statement, replied[question.id])
            if against:
                told = " and ".join(f"'{other.question}' {other.answer}" for other in against)
                found[question.id] = f"at odds with {told}"
        return found

    def _replied(self, plain: Sequence[tuple[Question, Statement]]) -> dict[str, list[Statement]]:
        """What the majority answers to the questions that each statement implies, by the id of its question."""
        wanted = [(question, implied(statement)) for question, statement in plain]
        replies = follow_up(self.reasoner, wanted, "implied", self.votes, self.augmentations)
        said = {key: state(key[1], vote([v.answer for v in given])[0] or "") for key, given in replies.items()}
        return {
            question.id: [reply for text in texts if (reply := said[question.image.id, text]) is not None]
            for question, texts in wanted
        }
