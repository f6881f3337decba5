"""Signs of collapse, in words: pure functions on what `view.py` and `gallery.py` read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from visplay.watch.view import RunPage

Level = Literal["good", "watch", "bad"]


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to look at.

    Attributes:
        name: stable ("duplicates", "one type", "entropy", "blind", "valid", "unboxed", "answerable", "small set",
            "sure of everything", "degenerate", "rejected", "label accuracy").
        level: "good", "watch" (look again) or "bad" (it is happening).
        words: one sentence with the figure.
    """

    name: str
    level: Level
    words: str


def signs(page: RunPage, texts: Mapping[int, Sequence[str]] | None = None) -> tuple[Sign, ...]:
    """All signs that can be read from the run so far, the worst first.

    Args:
        texts: questions of each iteration's synthesis (`Gallery.texts`), for what only the wording shows.
    """
    raise NotImplementedError


def overall(found: Sequence[Sign]) -> Level:
    """The worst level; "good" where there is no sign."""
    raise NotImplementedError
