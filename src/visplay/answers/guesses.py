"""How many answers there are to guess among."""

from __future__ import annotations

import re

from visplay.answers.normalise import normalise

_OPTION = re.compile(r"(?<![\w'])\(?([A-H])[.):](?=\s)")
_USUAL_OPTIONS = 4  # A to D, where a question does not spell its options out


def guesses(answer: str, question: str) -> int | None:
    """2 for yes/no, the number of lettered options for a letter, None where answers cannot be counted."""
    kind = normalise(answer).kind
    if kind == "yes/no":
        return 2
    if kind != "letter":
        return None
    options = len(set(_OPTION.findall(f"{question} ")))
    return options if options >= 2 else _USUAL_OPTIONS
