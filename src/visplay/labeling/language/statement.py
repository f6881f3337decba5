"""What a question with its answer says about an image."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.answers import Answer, is_refusal, normalise
from visplay.labeling.language.meaning import Meaning, read_meaning
from visplay.labeling.language.nouns import ANYTHING, COLORS, read_noun

_SHADES = frozenset({"light", "dark", "bright", "pale", "deep"})


@dataclass(frozen=True, slots=True)
class Amount:
    """There are from `least` to `most` of what `noun` names; None for no limit."""

    noun: str
    least: int
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A question with an answer to it.

    Attributes:
        amount: how many there are of what, as "exists", "count", "attribute" and "which" say it.
        holds: whether "more" or "relation" is so.
    """

    question: str
    answer: str
    meaning: Meaning
    amount: Amount | None = None
    holds: bool = True


def state(question: str, answer: str) -> Statement | None:
    """What is said by this answer; None where the question is not plain, or the answer does not fit it."""
    meaning, said = read_meaning(question), normalise(answer)
    if meaning is None or is_refusal(answer):
        return None
    yes = said.core == "yes" if said.kind == "yes/no" else None
    amount: Amount | None = None
    match meaning.kind:
        case "exists" if yes is not None:
            there = yes != meaning.negated
            amount = Amount(meaning.nouns[0], int(there), None if there else 0)
        case "count" if said.value is not None and said.value >= 0 and said.value.denominator == 1:
            amount = Amount(meaning.nouns[0], int(said.value), int(said.value))
        case "attribute" | "which":
            noun = _named(meaning, said)
            amount = Amount(noun, 1) if noun else None
        case "more" | "relation" if yes is not None:
            return Statement(question, answer, meaning, holds=yes)
    return Statement(question, answer, meaning, amount) if amount else None


def _named(meaning: Meaning, said: Answer) -> str | None:
    """The thing that an answer names: "red circle" for a circle's colour red, and for a red shape that is a circle."""
    noun, words = meaning.nouns[0], said.core.split() if said.kind == "phrase" else []
    if meaning.kind == "which":
        plain = read_noun(said.core) if words else None
        if plain is None or plain.split()[-1] in COLORS | ANYTHING:
            return None
        return read_noun(" ".join((*(w for w in noun.split()[:-1] if w not in plain.split()), plain)))
    colors = COLORS.intersection(words)
    if meaning.word != "color" or len(colors) != 1 or not _SHADES.issuperset(set(words) - colors):
        return None
    return read_noun(f"{' '.join(words)} {noun}")
