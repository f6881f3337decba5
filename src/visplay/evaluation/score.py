"""From completions to marks: what was answered, and whether it was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from visplay.answers import extract_boxed, match
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


def score(items: Sequence[Item], completions: Mapping[str, Completion]) -> tuple[Answered, ...]:
    """Mark each item by its completion, in the order of `items`.

    Args:
        completions: one for each item, keyed by the item's id.
    Raises:
        ValueError: an item has no completion.
    """
    marks = []
    for item in items:
        if item.id not in completions:
            raise ValueError(f"item {item.id} has no completion to score")
        completion = completions[item.id]
        given = extract_boxed(completion.text)
        marks.append(Answered(item.id, given, is_correct(given, item), completion.finished))
    return tuple(marks)


def is_correct(given: str | None, item: Item) -> bool:
    """Whether `given` answers `item`; with choices, whether both name the same option."""
    if given is None:
        return False
    if item.choices:
        wanted = named_option(item.answer, item.choices)
        if wanted is not None:
            return named_option(given, item.choices) == wanted
    return match(given, item.answer)
