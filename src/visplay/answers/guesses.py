"""Number of possible answers to a question, from which a guesser could choose."""

from __future__ import annotations

import re

from visplay.answers.normalise import normalise

_OPTION = re.compile(r"(?<![\w'])\(?([A-H])[.):](?=\s)")
_USUAL_OPTIONS = 4  # A to D, if the question does not list its options


def guesses(answer: str, question: str) -> int | None:
    """2 for yes/no, the number of lettered options for a letter, None for other answers."""
    kind = normalise(answer).kind
    if kind == "yes/no":
        return 2
    if kind != "letter":
        return None
    options = len(set(_OPTION.findall(f"{question} ")))
    return options if options >= 2 else _USUAL_OPTIONS
