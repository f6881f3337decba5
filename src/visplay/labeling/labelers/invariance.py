"""The labeler `invariance`: what two versions of an image answer alike, once a known transformation is undone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from visplay.answers import match
from visplay.data.augmentations import augmented, preserves_answer
from visplay.interfaces.labeler import ExtraRequests, Labeler, Voter
from visplay.labeling.labelers.majority import count_votes
from visplay.types import Augmentation, Candidate, Evidence, Question, Vote, VoteResult

# The words for sides in a question. Others, as in "how many are left?", are no place.
_SIDE = re.compile(
    r"(?:(?<=\bthe )(?:left|right)\b(?! (?:angle|answer|triangle))|"
    r"\b(?:left|right)(?=most\b|-hand\b| (?:of|sides?|half|hand|edge|corner)\b))(?:most)?(?:[ -]hand)?(?: sides?)?",
    re.IGNORECASE,
)
_LEFT_OR_RIGHT = re.compile(r"\b(left|right)(?=\b|most\b)", re.IGNORECASE)


class Invariance(Labeler, type="invariance"):
    """Half of the votes see the image, half see it mirrored; the majorities must agree, left and right exchanged.

    The question about the mirrored image has "left" for "right", and its answers are turned back. Where a mirror may
    change the answer in another way, as for what is written, the second version is smaller instead. The confidence is
    the smaller of both. Source of the idea: VISE (arXiv 2606.27373), which rewards boxes that move with the image.
    """

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        second = max(1, votes // 2)
        plain = voter.votes(questions, max(1, votes - second))
        turned = voter.votes([transformed(question) for question in questions], second)
        return [_compared(question, plain[question.id], turned[question.id]) for question in questions]

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        return (ExtraRequests("votes", 2, questions, questions * -(-votes // 2)),)


def transformed(question: Question) -> Question:
    """The question about the mirrored image that has the same answer but for left and right; else the smaller image."""
    version = _version(question)
    text = _SIDE.sub(lambda side: exchange_sides(side[0]), question.text) if version == "mirrored" else question.text
    return replace(question, image=augmented(question.image, version), text=text)


def exchange_sides(text: str) -> str:
    """`text` with "right" for "left" and "left" for "right"."""
    return _LEFT_OR_RIGHT.sub(lambda side: "right" if side[0].lower() == "left" else "left", text)


def _version(question: Question) -> Augmentation:
    return "mirrored" if preserves_answer("mirrored", _SIDE.sub("", question.text)) else "smaller"


def _compared(question: Question, plain: Sequence[Vote], turned: Sequence[Vote]) -> Candidate:
    version = _version(question)
    back = [
        replace(
            vote,
            index=len(plain) + vote.index,
            answer=exchange_sides(vote.answer) if vote.answer and version == "mirrored" else vote.answer,
            augmentation=version,
        )
        for vote in turned
    ]
    one, other = count_votes(question, plain), count_votes(question, back)
    agree = one.answer is not None and other.answer is not None and match(one.answer, other.answer)
    result = VoteResult(
        question.id,
        one.answer if agree else None,
        min(one.confidence, other.confidence) if agree else 0.0,
        one.votes + other.votes,
        one.unboxed + other.unboxed,
    )
    evidence = Evidence(f"{version}: {transformed(question).text}", other.answer)
    return Candidate(question, (*plain, *back), result, (evidence,))
