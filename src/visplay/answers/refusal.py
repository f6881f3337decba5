"""Detection of refusals: answers that decline to answer."""

from __future__ import annotations

import re

from visplay.answers.plain import plain_text, trim

_REFUSAL = re.compile(
    r"(?:it is |it's |it |this |this is |the answer is )?(?:"
    r"unknown|unclear|unsure|undetermined|indeterminate|unanswerable|n/?a|not applicable|"
    r"(?:cannot|can't|can not|could not|couldn't) (?:be |tell|say|answer|determine|see|know)\b.*|"
    r"(?:not|impossible to|unable to) (?:be )?(?:answer|determin|tell|say|know)\w*\b.*|"
    r"not (?:visible|sure|clear|possible|enough)\b.*|"
    r"(?:there is )?(?:insufficient|not enough|no) (?:information|evidence|answer)\b.*|"
    r"i (?:do not|don't) know\b.*"
    r")"
)


def is_refusal(answer: str) -> bool:
    """Whether an answer declines to answer: "unknown", "cannot be determined", "not enough information", …

    "no", "none" and "0" are not refusals.
    """
    return _REFUSAL.fullmatch(trim(plain_text(answer)).lower()) is not None
