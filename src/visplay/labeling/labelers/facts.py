"""The labeler `facts`: a majority vote that must agree with the Reasoner's lists of the things on the image."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay.answers import match, vote
from visplay.interfaces.labeler import ExtraRequests, Labeler, Voter
from visplay.labeling.labelers.majority import count_votes
from visplay.labeling.language.listed import answer_from, has_false_presupposition
from visplay.labeling.language.meaning import read_meaning
from visplay.types import Augmentation, Candidate, Question, VoteResult


class Facts(Labeler, type="facts"):
    """Compares the majority with answers that are computed from the Reasoner's lists of the things on the image.

    If the grammar cannot parse a question, its majority is the silver answer.
    """

    augmentations: tuple[Augmentation, ...] = Field(
        ("plain", "smaller", "dimmer", "darker"),
        min_length=1,
        description="augmentations of the image that votes and lists are spread over",
    )
    lists: int = Field(4, ge=1, description="lists of the things on an image, per image")

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        given = voter.votes(questions, votes, self.augmentations)
        meanings = {question.id: read_meaning(question.text) for question in questions}
        parsable = [question for question in questions if meanings[question.id] is not None]
        seen = voter.facts(parsable, self.lists, self.augmentations)
        candidates = []
        for question in questions:
            voted, meaning = count_votes(question, given[question.id]), meanings[question.id]
            if meaning is not None:
                lists = seen[question.image.id]
                voted = checked(voted, [answer_from(facts, meaning) for facts in lists])
                voted = reject_if_presupposed(voted, [has_false_presupposition(facts, meaning) for facts in lists])
            candidates.append(Candidate(question, given[question.id], voted))
        return candidates

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        versions = len(self.augmentations)
        voted, listed = min(versions, votes), min(versions, self.lists)
        return (
            ExtraRequests("votes", voted, questions, questions * -(-votes // voted)),
            ExtraRequests("lists", listed, 1, -(-self.lists // listed)),
        )


def reject_if_presupposed(voted: VoteResult, false_presuppositions: Sequence[bool | None]) -> VoteResult:
    """`voted`; without its answer if the question has a false presupposition by most lists that can decide it."""
    decided = [wrong for wrong in false_presuppositions if wrong is not None]
    if 2 * sum(decided) <= len(decided):
        return voted
    return VoteResult(voted.question_id, None, 0.0, voted.votes, voted.unboxed)


def checked(voted: VoteResult, computed: Sequence[str | None]) -> VoteResult:
    """`voted`, with the smaller of both confidences, if the majority of the computed answers agrees; else no answer.

    Without a computed answer, `voted` is unchanged.
    """
    answer, share, _ = vote(computed)
    if answer is None or voted.answer is None:
        return voted
    agreed = match(voted.answer, answer)
    confidence = min(voted.confidence, share) if agreed else 0.0
    return VoteResult(voted.question_id, voted.answer if agreed else None, confidence, voted.votes, voted.unboxed)
