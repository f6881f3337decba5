"""From completions to marks: what was answered, and whether it was right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from visplay.answers import extract_boxed, match, vote
from visplay.evaluation.options import named_option
from visplay.records import Completion, Item


@dataclass(frozen=True, slots=True)
class Answered:
    """The mark of one item.

    `given` is None when nothing was boxed, which is wrong. `finished` says that the model
    ended its text itself; a box that was closed before the length limit still counts.
    """

    item_id: str
    given: str | None
    correct: bool
    finished: bool


Verdict = Callable[[Sequence[Answered]], Answered]
"""Which of an item's answers, at least one, stands for the item."""


def best(answers: Sequence[Answered]) -> Answered:
    """The first right answer, else the first given one, else the first: pass@k, and a single answer's own mark."""
    return max(answers, key=lambda mark: (mark.correct, mark.given is not None))


def commonest(answers: Sequence[Answered]) -> Answered:
    """The answer that `vote` elects, as first written: maj@k. A letter and the text of its option are two answers."""
    winner, _, _ = vote([mark.given for mark in answers])
    return next(mark for mark in answers if mark.given == winner)


def score(
    items: Sequence[Item], completions: Mapping[str, Sequence[Completion]], verdict: Verdict = best
) -> tuple[Answered, ...]:
    """Mark each item by its completions, in the order of `items`.

    Args:
        completions: one or more for each item, keyed by the item's id.
        verdict: chooses among the marks of an item's completions.
    Raises:
        ValueError: an item has no completion.
    """
    marks = []
    for item in items:
        if not completions.get(item.id):
            raise ValueError(f"item {item.id} has no completion to score")
        marks.append(verdict([_answered(item, completion) for completion in completions[item.id]]))
    return tuple(marks)


def _answered(item: Item, completion: Completion) -> Answered:
    given = extract_boxed(completion.text)
    return Answered(item.id, given, is_correct(given, item), completion.finished)


def is_correct(given: str | None, item: Item) -> bool:
    """Whether `given` answers `item`; with choices, whether both name the same option."""
    if given is None:
        return False
    if item.choices:
        wanted = named_option(item.answer, item.choices)
        if wanted is not None:
            return named_option(given, item.choices) == wanted
    return match(given, item.answer)
