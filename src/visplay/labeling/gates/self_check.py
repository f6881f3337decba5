"""The gate `self_check`: asks the Reasoner yes/no questions that follow from its answer, to find contradictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from visplay.answers import Answer, is_refusal, match, normalise
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.language import ANYTHING, COLORS, OPPOSITES, Meaning, read_meaning, read_noun
from visplay.types import Augmentation, Candidate, Question

_CLAIMS = 2  # largest number of claims of an answer
_SHADES = frozenset({"light", "dark", "bright", "pale", "deep"})


@dataclass(frozen=True, slots=True)
class Claim:
    """A yes/no question and the answer that follows."""

    question: str
    answer: Literal["yes", "no"]

    def denied_by(self, answer: str) -> bool:
        """Whether `answer` is the opposite; an answer other than yes and no denies nothing."""
        return match(answer, "no" if self.answer == "yes" else "yes")


class SelfCheck(Gate, type="self_check"):
    """Asks the Reasoner about each claim of a silver answer, and rejects the question if too many replies deny it.

    A question that the grammar cannot parse, or whose answer has no yes/no claim, passes.
    """

    votes: int = Field(4, ge=1, description="replies to each claim")
    max_denials: float = Field(0.5, ge=0, lt=1, description="largest share of boxed replies that may deny the answer")
    augmentations: tuple[Augmentation, ...] = Field(
        ("plain",), min_length=1, description="augmentations of the image that replies are spread over"
    )

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        claimed = {c.question.id: claims(c.question.text, c.result.answer or "") for c in candidates}
        asked: dict[tuple[str, str], Question] = {}  # each claim once per image
        for question in (candidate.question for candidate in candidates):
            for n, claim in enumerate(claimed[question.id]):
                claim_question = Question(f"{question.id}~claim{n}", question.image, "open", claim.question)
                asked.setdefault((question.image.id, claim.question), claim_question)
        replies = voter.votes(list(asked.values()), self.votes, self.augmentations)
        found: dict[str, str] = {}
        for question in (candidate.question for candidate in candidates):
            boxed = [
                (claim, vote.answer)
                for claim in claimed[question.id]
                for vote in replies[asked[question.image.id, claim.question].id]
                if vote.answer is not None and not is_refusal(vote.answer)
            ]
            denied = sum(claim.denied_by(answer) for claim, answer in boxed)
            if denied > self.max_denials * len(boxed):
                found[question.id] = f"{denied} of {len(boxed)} replies deny it"
        return found

    def requests(self, questions: int) -> tuple[ExtraRequests, ...]:
        versions = min(len(self.augmentations), self.votes)
        asked = questions * _CLAIMS
        return (ExtraRequests("votes", versions, asked, asked * -(-self.votes // versions)),)


def claims(question: str, answer: str) -> tuple[Claim, ...]:
    """Two claims of an answer, one with the answer yes and one with no.

    None for "more", if the question cannot be parsed, or if the answer does not fit it. If a relation between two
    things does not hold, its opposite is assumed to hold. This is wrong if neither holds, as for "above" with things
    side by side; then half of the replies deny the claims.
    """
    meaning, given = read_meaning(question), normalise(answer)
    if meaning is None or is_refusal(answer):
        return ()
    thing: str | None = meaning.nouns[0]
    holds = given.core == "yes"
    match meaning.kind:
        case "relation" if given.kind == "yes/no":
            words, other = (meaning.word, OPPOSITES[meaning.word]), meaning.nouns[1]
            asked, opposite = (f"is the {thing} {word} the {other}?" for word in words)
            return _both(asked, opposite, holds)
        case "exists" if given.kind == "yes/no":
            holds = holds != meaning.negated
        case "count" if given.quantity and given.quantity.value >= 0 and given.quantity.value.denominator == 1:
            holds = given.quantity.value > 0
        case "attribute" | "which":
            thing, holds = _named(meaning, given), True
        case _:
            return ()
    if thing is None:
        return ()
    thing = f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"
    return _both(f"is there {thing}?", f"is there not {thing}?", holds)


def _both(question: str, opposite: str, holds: bool) -> tuple[Claim, ...]:
    return Claim(question, "yes" if holds else "no"), Claim(opposite, "no" if holds else "yes")


def _named(meaning: Meaning, answer: Answer) -> str | None:
    """The thing of an answer: "red circle" for the answer "red" about a circle, or "circle" about a red shape."""
    noun, words = meaning.nouns[0], answer.core.split() if answer.kind == "phrase" else []
    if meaning.kind == "which":
        named = read_noun(answer.core) if words else None
        if named is None or named.split()[-1] in COLORS | ANYTHING:
            return None
        return read_noun(" ".join((*(w for w in noun.split()[:-1] if w not in named.split()), named)))
    colors = COLORS.intersection(words)
    if meaning.word != "color" or len(colors) != 1 or not _SHADES.issuperset(set(words) - colors):
        return None
    return read_noun(f"{' '.join(words)} {noun}")
