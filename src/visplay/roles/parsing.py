"""What a Reasoner sees, as a list: how it is read from its text."""

from __future__ import annotations

import re

_LIST = re.compile(r"<facts>([^<>]*)</facts>")
_BEGINNING = re.compile(r"<think>([^<>.\n]*)")
_LONGEST = 200  # phrases; more than anybody counts


def read_facts(text: str, learned: bool = False) -> tuple[str, ...] | None:
    """The things of `<facts>red car, small brown dog</facts>`, one phrase each, lower case, in order.

    "no", "none" and "nothing" are no things. None when there is no list.

    Args:
        learned: the model was trained to begin its reasoning with the list, so without such a block the first
            sentence of `<think>` is read.
    """
    found = _LIST.search(text) or (_BEGINNING.search(text) if learned else None)
    if found is None:
        return None
    phrases = [" ".join(part.lower().split()) for part in found[1].split(",")]
    return tuple(p for p in phrases if p and p not in ("no", "none", "nothing"))[:_LONGEST]
