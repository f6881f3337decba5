"""What a Reasoner sees, as a list: how it is read from its text."""

from __future__ import annotations

import re

_LIST = re.compile(r"<facts>([^<>]*)</facts>")
_BEGINNING = re.compile(r"<think>([^<>.\n]*)")
_LONGEST = 200  # phrases; more than anybody counts


def read_facts(text: str) -> tuple[str, ...] | None:
    """The things of `<facts>red car, small brown dog</facts>`, one phrase each, lower case, in order.

    Without such a block the first sentence of `<think>` is the list, for models that were trained to begin
    so. "no", "none" and "nothing" are no things. None when there is neither.
    """
    found = _LIST.search(text) or _BEGINNING.search(text)
    if found is None:
        return None
    phrases = [" ".join(part.lower().split()) for part in found[1].split(",")]
    return tuple(p for p in phrases if p and p not in ("no", "none", "nothing"))[:_LONGEST]
