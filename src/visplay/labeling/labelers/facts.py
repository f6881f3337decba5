"""The labeler `facts`: a majority vote that must agree with the Reasoner's lists of the things on the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from visplay.answers import match, vote
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.language import (
    ANYTHING,
    COLORS,
    SIZES,
    Meaning,
    colors_of,
    fold,
    names,
    names_alone,
    read_meaning,
)
from visplay.labeling.lists import Listed, ThingList, read_list
from visplay.labeling.vocabulary import SHADES
from visplay.types import Augmentation, Candidate, Evidence, Question, VoteResult

_YES = {True: "yes", False: "no"}
_NOT_ONE = "none or several of what is asked about"


class Facts(Majority, type="facts"):
    """Compares the majority with answers that are computed from the Reasoner's lists of the things on the image.

    If the grammar cannot parse a question, its majority is the silver answer. So is it where no answer follows from the
    lists: a list that leaves things out never says "no", and has no number.
    """

    augmentations: tuple[Augmentation, ...] = Field(
        ("plain", "smaller", "dimmer", "darker"),
        min_length=1,
        description="augmentations of the image that votes and lists are spread over",
    )
    lists: int = Field(4, ge=1, description="lists of the things on an image, per image")
    complete: bool | None = Field(
        None,
        description="whether a list names every thing by its one name, so that what it leaves out is not there; null: "
        "only if the model's prompts say that it has `learned` to write lists",
    )

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        candidates = super().label(questions, votes, voter)
        meanings = {question.id: meaning for question in questions if (meaning := read_meaning(question.text))}
        parsable = [question for question in questions if question.id in meanings]
        seen = voter.facts(parsable, self.lists, self.augmentations)
        complete = voter.lists_all if self.complete is None else self.complete
        for place, candidate in enumerate(candidates):
            meaning = meanings.get(candidate.question.id)
            if meaning is not None:
                lists = seen[candidate.question.image.id]
                computed = [answer_from(facts, meaning, complete) for facts in lists]
                false = [has_false_presupposition(facts, meaning, complete) for facts in lists]
                findings = (_NOT_ONE if wrong else found for wrong, found in zip(false, computed, strict=True))
                evidence = (Evidence(", ".join(facts), said) for facts, said in zip(lists, findings, strict=True))
                result = checked(candidate.result, computed, false)
                candidates[place] = replace(candidate, result=result, evidence=tuple(evidence))
        return candidates

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        versions = min(len(self.augmentations), self.lists)
        lists = ExtraRequests("lists", versions, 1, -(-self.lists // versions))
        return (*super().requests(questions, votes), lists)


def checked(
    voted: VoteResult, computed: Sequence[str | None], false_presuppositions: Sequence[bool | None] = ()
) -> VoteResult:
    """`voted`, with the smaller of both confidences, if the majority of the computed answers agrees; else no answer.

    Without a computed answer, `voted` is unchanged. It loses its answer if most lists that can decide find a false
    presupposition.
    """
    rejected = replace(voted, answer=None, confidence=0.0)
    decided = [false for false in false_presuppositions if false is not None]
    if 2 * sum(decided) > len(decided):
        return rejected
    answer, share, _ = vote(computed)
    if answer is None or voted.answer is None:
        return voted
    return replace(voted, confidence=min(voted.confidence, share)) if match(voted.answer, answer) else rejected


def answer_from(facts: Sequence[str], meaning: Meaning, complete: bool = False) -> str | None:
    """The answer that follows from a list of things on the image; None if no answer follows.

    A `complete` list names every thing, each by its one name. Any other list leaves things out and has other names for
    them. From it follow only "yes" for what it names, "no" and 0 for what it denies, a colour of the only thing of a
    name, and a number that it writes itself beside nothing else that could be such a thing.
    """
    listed = _Names(read_list(facts), complete)
    first = meaning.nouns[0]
    match meaning.kind:
        case "exists":
            present = listed.contain(first)
            return None if present is None else _YES[present != meaning.negated]
        case "count":
            number = listed.number(first)
            return None if number is None else str(number)
        case "more":
            more, fewer = (listed.number(noun) for noun in meaning.nouns)
            return None if more is None or fewer is None else _YES[more > fewer]
        case "attribute" if meaning.word == "color":
            phrase = listed.only(first)
            colors = colors_of(phrase)
            shaded = not complete and not SHADES.isdisjoint(phrase.split())  # "light gray" is not quite "gray"
            return next(iter(colors)) if len(colors) == 1 and not shaded else None
        case "which" if complete:
            known = COLORS | SIZES | ANYTHING | {fold(word) for word in first.split()}
            return " ".join(word for word in listed.only(first).split() if fold(word) not in known) or None
        case _:
            return None


def has_false_presupposition(facts: Sequence[str], meaning: Meaning, complete: bool = False) -> bool | None:
    """Whether a question is about "the" thing, but there is none, or a complete list has several; None if not known."""
    if meaning.kind not in ("attribute", "which", "relation"):
        return None
    listed = _Names(read_list(facts), complete)
    if not complete:
        return True if any(listed.contain(noun) is False for noun in meaning.nouns) else None
    numbers = {listed.number(noun) for noun in meaning.nouns}
    if numbers - {None, 1}:
        return True
    return None if None in numbers else False


@dataclass(frozen=True, slots=True)
class _Names:
    """What a list says of the things that a noun describes."""

    listed: ThingList
    complete: bool

    def described(self, noun: str) -> list[tuple[bool | None, Listed]]:
        describes = names_alone if self.complete else names
        return [(describes(noun, thing.phrase), thing) for thing in self.listed.things]

    def contain(self, noun: str) -> bool | None:
        """Whether there is such a thing; None if the list does not decide it."""
        described = {found for found, _ in self.described(noun)}
        denied = self.listed.denies(noun, names)
        if True in described:
            return None if denied else True
        return False if denied or (self.complete and None not in described) else None

    def number(self, noun: str) -> int | None:
        """How many such things there are; None if the list does not decide it."""
        described = self.described(noun)
        if self.contain(noun) is False:
            return 0
        found = [thing for is_one, thing in described if is_one]
        if any(is_one is None for is_one, _ in described) or any(thing.number is None for thing in found):
            return None
        # There may be more than a list names, unless it counts them: "two cars", but not "two red cars".
        counted = len(found) == 1 and found[0].written and len(found[0].phrase.split()) == len(noun.split())
        return sum(thing.number or 0 for thing in found) if self.complete or counted else None

    def only(self, noun: str) -> str:
        """The phrase of the only thing that a noun describes; empty if there are none or several, or it is not known.

        In an incomplete list, a thing of another name may be the same one, so it must not have another colour.
        """
        described = self.described(noun)
        found = [thing for is_one, thing in described if is_one]
        if self.complete:
            return found[0].phrase if self.number(noun) == 1 else ""
        if len(found) != 1 or found[0].number != 1 or self.listed.denies(noun, names):
            return ""
        colors = colors_of(found[0].phrase)
        others = (colors_of(thing.phrase) for is_one, thing in described if is_one is None)
        return found[0].phrase if all(other <= colors for other in others) else ""
