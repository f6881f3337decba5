"""From completions to marks: what was answered, and whether it was right."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from visplay.answers import extract_boxed, is_refusal, match, normalise, read_loosely, vote
from visplay.roles.prompts import lettered, option_labels
from visplay.types import Completion, Item

LETTERS = string.ascii_uppercase
_SEVERAL = re.compile(r"[A-Z]{2,26}")
_AFTER_LABEL = " )].:*,、，"
_BETWEEN = re.compile(r"[,;&\n、，；]|\band\b")


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of an item, with all values that a reader needs to check it.

    Attributes:
        given: the boxed answer; None without a box, which is wrong.
        finished: the model ended its text itself; a box that was closed before the length limit still counts.
        kind: the type of the question by the suite, else the type of the reference answer.
        question, reference: as the item has them, with the options lettered below the question.
        text: the whole completion.
        read, loose: the answer by the tolerant reader, and whether it is right.
        share: for a majority, the share of all votes for `given`.
        draws: for a majority, the texts of all votes, in the order of sampling.
        image_id: the id of the item's image; empty in old files.
    """

    item_id: str
    given: str | None
    correct: bool
    finished: bool
    kind: str = ""
    question: str = ""
    reference: str = ""
    text: str = ""
    read: str | None = None
    loose: bool = False
    share: float | None = None
    draws: tuple[str, ...] = ()
    image_id: str = ""

    @property
    def declined(self) -> bool:
        """Whether the answer, in the box or else as the tolerant reader reads it, is a refusal; a right one is none."""
        boxed = self.given is not None
        said, right = (self.given, self.correct) if boxed else (self.read, self.loose)
        return said is not None and not right and is_refusal(said)


Verdict = Callable[[Sequence[Mark]], Mark]
"""Chooses one of an item's answers, at least one, as its mark. The choice for the tolerant reader may differ."""


def best(answers: Sequence[Mark]) -> Mark:
    """The first right answer, else the first given one, else the first: pass@k, and a single answer's own mark."""
    mark = max(answers, key=lambda mark: (mark.correct, mark.given is not None))
    loosely = max(answers, key=lambda mark: (mark.loose, mark.read is not None))
    return replace(mark, read=loosely.read, loose=loosely.loose)


def commonest(answers: Sequence[Mark]) -> Mark:
    """The answer that `vote` elects, as first written: maj@k. A letter and the text of its option are two answers."""
    winner, share, _ = vote([mark.given for mark in answers])
    mark = next(mark for mark in answers if mark.given == winner)
    elected, _, _ = vote([mark.read for mark in answers])
    loosely = next(mark for mark in answers if mark.read == elected)
    draws = tuple(mark.text for mark in answers)
    return replace(mark, read=loosely.read, loose=loosely.loose, share=share, draws=draws)


def score(
    items: Sequence[Item], completions: Mapping[str, Sequence[Completion]], verdict: Verdict = best
) -> tuple[Mark, ...]:
    """Mark each item by its completions, one or more by item id; `verdict` chooses among their marks."""
    return tuple(verdict([_answered(item, each) for each in completions[item.id]]) for item in items)


def _answered(item: Item, completion: Completion) -> Mark:
    given = extract_boxed(completion.text)
    read = read_loosely(completion.text, item.choices)
    return Mark(
        item.id,
        given,
        is_correct(given, item),
        completion.finished,
        kind=item.kind or ("choice" if item.choices else normalise(item.answer).kind),
        question=lettered(item.question, item.choices),
        reference=item.reference,
        text=completion.text,
        read=read,
        loose=is_correct(read, item),
        image_id=item.image.id,
    )


def is_correct(given: str | None, item: Item) -> bool:
    """Whether `given` answers `item`; with choices, whether it names all the right ones and no other."""
    if given is None:
        return False
    if item.matches is not None:
        return item.matches(given, item.answer)
    wanted = frozenset(item.right_choices) or named_options(item.answer, item.choices)
    if wanted:
        return named_options(given, item.choices) == wanted
    return any(match(given, reference) for reference in (item.answer, *item.other_answers))


def named_options(answer: str, choices: Sequence[str]) -> frozenset[int]:
    """Positions of the choices that `answer` names: one, or several as in `A, C`, `AC` or `red and blue`; else none."""
    labels = option_labels(choices)
    if not labels or is_wording(answer, choices):
        named = named_option(answer, choices)
        return frozenset() if named is None else frozenset((named,))
    places = {label: place for place, label in enumerate(labels)}
    letters = tuple(answer.strip()) if _SEVERAL.fullmatch(answer.strip()) else ()
    if letters and set(letters) <= places.keys() and len(set(letters)) == len(letters):
        return frozenset(places[letter] for letter in letters)
    pieces = split_options(answer)
    each = [named_option(piece, choices) for piece in pieces] if len(pieces) > 1 else [None]
    if None in each:
        each = [named_option(answer, choices)]
    return frozenset(place for place in each if place is not None)


def split_options(answer: str) -> list[str]:
    """The parts of an answer that may name an option each."""
    return [piece.strip() for piece in _BETWEEN.split(answer) if piece.strip()]


def is_wording(answer: str, choices: Sequence[str]) -> bool:
    """Whether `answer` has the words of a choice, whatever their case."""
    return " ".join(answer.casefold().split()) in (" ".join(choice.casefold().split()) for choice in choices)


def named_option(answer: str, choices: Sequence[str]) -> int | None:
    """Position of the choice that `answer` names, None when it names none or several: by the choice's own wording, else
    by its letter (`B`, `(b)`, `B. blue`), else by any writing that matches exactly one choice.
    """
    plain, *wordings = (" ".join(text.split()) for text in (answer, *choices))
    if plain in wordings:
        return wordings.index(plain)
    folded = [wording.casefold() for wording in wordings]
    if folded.count(plain.casefold()) == 1:
        return folded.index(plain.casefold())
    labels = option_labels(choices)
    for position, label in enumerate(labels):
        if _is_label_with_text(plain.casefold(), label.casefold(), folded[position]):
            return position
    for position, label in enumerate(labels):
        if match(answer, label):
            return position
    matching = [position for position, choice in enumerate(choices) if match(answer, choice)]
    return matching[0] if len(matching) == 1 else None


def _is_label_with_text(answer: str, label: str, wording: str) -> bool:
    """Whether an answer is such as `B. blue`, `(B) blue` or `**B.** blue`."""
    begun = answer.lstrip("([*")
    rest = begun.removeprefix(label)
    return begun.startswith(label) and rest[:1] in tuple(_AFTER_LABEL) and rest.lstrip(_AFTER_LABEL) == wording
