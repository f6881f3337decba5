"""The statement about an image that a question and its answer make."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.answers import Answer, is_refusal, normalise
from visplay.labeling.language.meaning import Meaning, read_meaning
from visplay.labeling.language.nouns import ANYTHING, COLORS, read_noun

_SHADES = frozenset({"light", "dark", "bright", "pale", "deep"})


@dataclass(frozen=True, slots=True)
class Amount:
    """The number of things that `noun` describes is between `least` and `most`; None: no upper limit."""

    noun: str
    least: int
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A question with its answer.

    Attributes:
        amount: number of things, for the kinds "exists", "count", "attribute" and "which".
        holds: whether the relation holds, for the kinds "more" and "relation".
    """

    question: str
    answer: str
    meaning: Meaning
    amount: Amount | None = None
    holds: bool = True


def state(question: str, answer: str) -> Statement | None:
    """The statement of a question and its answer; None if the question cannot be parsed or the answer does not fit."""
    meaning, given = read_meaning(question), normalise(answer)
    if meaning is None or is_refusal(answer):
        return None
    yes = given.core == "yes" if given.kind == "yes/no" else None
    amount: Amount | None = None
    match meaning.kind:
        case "exists" if yes is not None:
            present = yes != meaning.negated
            amount = Amount(meaning.nouns[0], int(present), None if present else 0)
        case "count" if given.value is not None and given.value >= 0 and given.value.denominator == 1:
            amount = Amount(meaning.nouns[0], int(given.value), int(given.value))
        case "attribute" | "which":
            noun = _named(meaning, given)
            amount = Amount(noun, 1) if noun else None
        case "more" | "relation" if yes is not None:
            return Statement(question, answer, meaning, holds=yes)
    return Statement(question, answer, meaning, amount) if amount else None


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
