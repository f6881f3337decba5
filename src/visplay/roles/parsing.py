"""Parses the Reasoner's list of the things on an image."""

from __future__ import annotations

import re

_LIST = re.compile(r"<facts>([^<>]*)</facts>")
_BEGINNING = re.compile(r"<think>([^<>.\n]*)")
_LONGEST = 200  # phrases; further ones are ignored


def read_facts(text: str, learned: bool = False) -> tuple[str, ...] | None:
    """The phrases of `<facts>red car, small brown dog</facts>`, in lower case and in order; None without a list.

    "no", "none" and "nothing" are left out.

    Args:
        learned: the model was trained to begin its reasoning with the list. Then, without `<facts>`, the first sentence
            of `<think>` is the list.
    """
    found = _LIST.search(text) or (_BEGINNING.search(text) if learned else None)
    if found is None:
        return None
    phrases = [" ".join(part.lower().split()) for part in found[1].split(",")]
    return tuple(p for p in phrases if p and p not in ("no", "none", "nothing"))[:_LONGEST]
