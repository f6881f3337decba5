"""Lettered options: which one an answer names, by its letter or by its text."""

from __future__ import annotations

import string
from collections.abc import Sequence

from visplay.answers import match

LETTERS = string.ascii_uppercase


def named_option(answer: str, choices: Sequence[str]) -> int | None:
    """Position of the choice that `answer` names, None when it names none or several.

    A choice's own wording comes first, then its letter (`B`, `(b)`, `B. blue`), then any
    writing that matches exactly one choice. References and given answers are both read
    this way, so equal texts always name the same option.
    """
    wordings = [_plain(choice) for choice in choices]
    if _plain(answer) in wordings:
        return wordings.index(_plain(answer))
    for position, letter in enumerate(LETTERS[: len(choices)]):
        if match(answer, letter):
            return position
    matching = [position for position, choice in enumerate(choices) if match(answer, choice)]
    return matching[0] if len(matching) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
