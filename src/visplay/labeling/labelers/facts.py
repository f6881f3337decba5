"""The labeler `facts`: a majority vote that must agree with the Reasoner's lists of the things on the image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from visplay.answers import match, normalise, vote
from visplay.answers.text import singular
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.language import ANYTHING, COLORS, SIZES, Meaning, fold, names, read_meaning
from visplay.types import Augmentation, Candidate, Evidence, Question, VoteResult

_JOINED = re.compile(r" (?:in|on|at|of|with|by|near|behind|under|above|below|beside|holding|wearing) ")
_LEAD = re.compile(r"\W*(?:and )?(?:(?:an?|the) |(?P<some>some|several|many|few|multiple|various) )?")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_YES = {True: "yes", False: "no"}
_NOT_ONE = "none or several of what is asked about"
_Thing = tuple[str, int | None]  # a noun phrase, and the number of such things if the list gives it


class Facts(Majority, type="facts"):
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
        candidates = super().label(questions, votes, voter)
        meanings = {question.id: meaning for question in questions if (meaning := read_meaning(question.text))}
        parsable = [question for question in questions if question.id in meanings]
        seen = voter.facts(parsable, self.lists, self.augmentations)
        for place, candidate in enumerate(candidates):
            meaning = meanings.get(candidate.question.id)
            if meaning is not None:
                lists = seen[candidate.question.image.id]
                computed = [answer_from(facts, meaning) for facts in lists]
                false = [has_false_presupposition(facts, meaning) for facts in lists]
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


def _things(facts: Sequence[str]) -> list[_Thing]:
    """The entries of a list; "two red cars" gives one entry with number 2, "man with a hat" gives two entries."""
    listed = (_thing(part) for fact in facts for part in _JOINED.split(fact.lower()))
    return [(phrase, number) for phrase, number in listed if phrase and number != 0]


def _thing(text: str) -> _Thing:
    lead = _LEAD.match(text)
    words = _WORD.findall(text[lead.end() :] if lead else text)
    number = normalise(words[0]).quantity if len(words) > 1 else None
    if number is not None:
        return " ".join(words[1:]), int(number.value)
    several = bool(lead and lead["some"]) or any(singular(head) != head for head in words[-1:])
    return " ".join(words), None if several else 1


def answer_from(facts: Sequence[str], meaning: Meaning) -> str | None:
    """The answer that follows from a list of all things on the image; None if no answer follows."""
    listed = _things(facts)
    first = meaning.nouns[0]
    match meaning.kind:
        case "exists":
            named = [names(first, phrase) for phrase, _ in listed]
            present = True in named
            return None if None in named and not present else _YES[present != meaning.negated]
        case "count":
            number = _number(first, listed)
            return None if number is None else str(number)
        case "more":
            more, fewer = (_number(noun, listed) for noun in meaning.nouns)
            return None if more is None or fewer is None else _YES[more > fewer]
        case "attribute" if meaning.word == "color":
            colors = COLORS.intersection(fold(word) for word in _only(first, listed))
            return next(iter(colors)) if len(colors) == 1 else None
        case "which":
            known = COLORS | SIZES | ANYTHING | {fold(word) for word in first.split()}
            return " ".join(word for word in _only(first, listed) if fold(word) not in known) or None
        case _:
            return None


def has_false_presupposition(facts: Sequence[str], meaning: Meaning) -> bool | None:
    """Whether a question is about "the" thing, but the list has none or several; None if the list does not decide."""
    if meaning.kind not in ("attribute", "which", "relation"):
        return None
    listed = _things(facts)
    numbers = {_number(noun, listed) for noun in meaning.nouns}
    if numbers - {None, 1}:
        return True
    return None if None in numbers else False


def _number(noun: str, listed: Sequence[_Thing]) -> int | None:
    """How many of the listed things a noun describes; None if the list does not decide it."""
    named = [(names(noun, phrase), number) for phrase, number in listed]
    if any(described is None or (described and number is None) for described, number in named):
        return None
    return sum(number or 0 for described, number in named if described)


def _only(noun: str, listed: Sequence[_Thing]) -> list[str]:
    """The words of the only thing that a noun describes; empty if there is no such thing or more than one."""
    found = [phrase.split() for phrase, _ in listed if names(noun, phrase)]
    return found[0] if _number(noun, listed) == 1 else []
