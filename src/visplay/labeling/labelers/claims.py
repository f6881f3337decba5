"""The labeler `claims`: a majority vote whose confidence is what its claims leave of it, each asked alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log

from pydantic import Field

from visplay.answers import normalise
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.claims import (
    MOST_CLAIMS,
    Asked,
    Claim,
    Swaps,
    ask,
    claims,
    elsewhere,
    false_claims,
    things_there,
)
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.language import read_meaning
from visplay.types import Augmentation, Candidate, Evidence, Question, VoteResult

_PRIOR = 4.0  # claims that a rate is smoothed by


class Claims(Majority, type="claims"):
    """Asks yes/no claims that follow from the majority, and as many that are false on purpose.

    The false claims of all questions show how far the replies can be trusted: a checker that says yes to everything, or
    no, or anything by chance, changes no confidence. The confidence of an answer is its probability, given the share of
    its votes and the replies to its claims. An answer that its claims make less likely than not is dropped.
    """

    augmentations: tuple[Augmentation, ...] = Field(
        ("plain", "smaller", "dimmer", "darker"),
        min_length=1,
        description="augmentations of the image that votes and replies to claims are spread over",
    )
    replies: int = Field(4, ge=1, description="replies to each claim")

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        voted = super().label(questions, votes, voter)
        held = [claims(one.question.text, one.result.answer or "") for one in voted]
        false = _made_false(voted)
        claimed = [(one.question, (*made, *others)) for one, made, others in zip(voted, held, false, strict=True)]
        replies = ask(claimed, self.replies, voter, self.augmentations)
        trust = Trust()
        for one, true_claims, others in zip(voted, held, false, strict=True):
            trust.learn(_shares(one.question, true_claims, replies), true=True, weight=prior(one.result))
            trust.learn(_shares(one.question, others, replies), true=False)
        return [
            replace(
                one,
                result=weighed(one.result, _shares(one.question, true_claims, replies), trust),
                evidence=tuple(
                    Evidence(("false on purpose: " if claim in others else "") + claim.question, _found(claim, share))
                    for claim, share in _shares(one.question, (*true_claims, *others), replies).items()
                ),
            )
            for one, true_claims, others in zip(voted, held, false, strict=True)
        ]

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        versions = min(len(self.augmentations), self.replies)
        asked = questions * 2 * MOST_CLAIMS
        claimed = ExtraRequests("claims", versions, asked, asked * -(-self.replies // versions))
        return (*super().requests(questions, votes), claimed)


def _made_false(voted: Sequence[Candidate]) -> list[tuple[Claim, ...]]:
    """False claims for each candidate, made of what the answers of the whole batch name."""
    there: dict[str, set[str]] = defaultdict(set)
    mentioned: dict[str, set[str]] = defaultdict(set)
    said: dict[str, list[str]] = defaultdict(list)
    for one in voted:
        image, answer = one.question.image.id, one.result.answer or ""
        meaning = read_meaning(one.question.text)
        there[image].update(things_there(one.question.text, answer))
        mentioned[image].update(meaning.nouns if meaning else ())
        said[one.question.text].append(answer)
    nouns = set().union(*there.values()) if there else set()
    # A few answers of each kind are enough to swap with.
    phrases = [text for answers in said.values() for text in dict.fromkeys(answers) if normalise(text).kind == "phrase"]
    away = {image: elsewhere(nouns, (*mentioned[image], *there[image])) for image in there}
    return [
        false_claims(
            one.question.text,
            one.result.answer or "",
            Swaps(
                sorted(there[one.question.image.id]),
                away[one.question.image.id],
                (*dict.fromkeys(said[one.question.text]), *phrases),
            ),
            one.question.id,
        )
        for one in voted
    ]


def _shares(question: Question, made: Sequence[Claim], replies: Asked) -> dict[Claim, float]:
    """The share of replies that confirm each claim; claims without a reply yes or no are left out."""
    found = ((claim, claim.confirmed(replies[question.image.id, claim.question])) for claim in made)
    return {claim: share for claim, share in found if share is not None}


def _found(claim: Claim, share: float) -> str:
    return f"{share:.0%} say {claim.answer}"


@dataclass(eq=False)
class Trust:
    """How often claims are confirmed that the majority makes, and how often those made false on purpose.

    Both are counted for each kind of claim and each answer, so that a checker can be trusted with colours and not with
    numbers. Rates are smoothed towards that of both together, so few claims earn no trust.
    """

    confirmed: dict[tuple[str, str, bool], float] = field(default_factory=lambda: defaultdict(float))
    counted: dict[tuple[str, str, bool], float] = field(default_factory=lambda: defaultdict(float))

    def learn(self, shares: Mapping[Claim, float], *, true: bool, weight: float = 1.0) -> None:
        """Count the claims of an answer; `weight` is the probability that they are what they are counted as."""
        for claim, share in shares.items():
            self.confirmed[claim.kind, claim.answer, true] += weight * share
            self.counted[claim.kind, claim.answer, true] += weight

    def rates(self, claim: Claim) -> tuple[float, float]:
        """The rates at which such a claim is confirmed if it is true, and if it is false."""
        cells = [(claim.kind, claim.answer, true) for true in (True, False)]
        confirmed, counted = ([values.get(cell, 0.0) for cell in cells] for values in (self.confirmed, self.counted))
        both = (sum(confirmed) + 1) / (sum(counted) + 2)
        true, false = ((yes + _PRIOR * both) / (n + _PRIOR) for yes, n in zip(confirmed, counted, strict=True))
        return true, false

    def log_odds(self, claim: Claim, share: float) -> float:
        """By how much the replies to a claim change the log-odds of its answer.

        Replies to one claim depend on one another, so all together weigh as one. They change nothing if Youden's index,
        the difference of both rates, is not positive.
        """
        true, false = self.rates(claim)
        if true <= false:
            return 0.0
        return share * log(true / false) + (1 - share) * log((1 - true) / (1 - false))


def prior(voted: VoteResult) -> float:
    """The probability of an answer by its votes: their share, with one vote more for it and one against it."""
    return (voted.confidence * voted.votes + 1) / (voted.votes + 2)


def weighed(voted: VoteResult, shares: Mapping[Claim, float], trust: Trust) -> VoteResult:
    """The result whose confidence is the probability of its answer, given its votes and the replies to its claims.

    No answer if that is below one half, and the replies have lowered it.
    """
    if voted.answer is None:
        return voted
    change = sum(trust.log_odds(claim, share) for claim, share in shares.items())
    before = prior(voted)
    after = 1 / (1 + exp(-(log(before / (1 - before)) + change)))
    dropped = change < 0 and after < 0.5
    return replace(voted, answer=None, confidence=0.0) if dropped else replace(voted, confidence=after)
