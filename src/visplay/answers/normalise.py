"""An answer as a typed value: option letter, yes/no, number, or short phrase."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from visplay.answers.quantity import Quantity, parse_clock, parse_quantity
from visplay.answers.text import LONGEST_TYPED, content_words, extract_boxed, plain_text, trim

Kind = Literal["letter", "yes/no", "number", "phrase"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in canonical form.

    `core` must be equal: the upper-case letter, `yes` or `no`, the value in base units, or the content words. It is
    empty for a blank answer, which matches nothing.
    """

    kind: Kind
    core: str
    quantity: Quantity | None = None  # of a number
    preposition: str = ""  # of a phrase of place (`in` of `in the box`)
    wording: Answer | None = None  # the text after an option letter (`red` of `A. red`)


_LEAD_IN = re.compile(
    r"(?:(?:so|thus|hence|therefore),? )?(?:(?:the|my) )?(?:(?:final|correct|right|best) )?"
    r"(?:answer|option|choice)(?: is:?| ?[:=]) ?"
    r"|(?:it|there|they|this|that|these|those) (?:is|are|was|were) |(?:it|that|there)'s |they're |i (?:can )?see "
    r"|[a-z] ?= ?",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?:the )?(?:option|choice|letter|answer) (?=[(\[]?[a-z][)\]]?(?:[.:) ]|$))", re.IGNORECASE)
_IN_VIEW = re.compile(r" (?:in|of|on) (?:the|this) (?:image|picture|photo|scene|screen|drawing)$", re.IGNORECASE)
_LETTER = re.compile(r"[(\[]?([a-z])[)\]]?", re.IGNORECASE)
_LETTER_AND_TEXT = re.compile(
    r"(?:[(\[]([a-h])[)\]][.:]? ?|([a-h])(?: ?[):] ?|\.(?: |(?=[a-z]{2}))| - ))"
    r"(?!(?:and|or)\b|[,&/+]|[(\[]?[a-z][)\]]?$)(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_YES_NO = re.compile(
    r"(?:(yes|yeah|yep|yup)(?![\w'-])"
    r"|(no|nope|nah)(?:$|[,;!:.](?! ?[0-9])| -|(?= (?:it|there|he|she|they|this|that|these|those|the|i|we|you)\b)))"
    r"(?! or\b| and\b)"
)
_BRACKETED = re.compile(r"\([^()\[\]]+\)|\[[^()\[\]]+\]")


@lru_cache(maxsize=8192)  # votes repeat the same few short answers many thousand times
def normalise(answer: str) -> Answer:
    r"""The answer as a letter, yes/no, a number or a phrase; the first kind that fits.

    Case, punctuation, articles, plurals, LaTeX, lead-ins (`The answer is …`) and `in the image` do not count. If the
    text has a `\boxed{…}`, only its content counts. Never raises; the time is linear in the length of `answer`.
    """
    text = trim(plain_text(extract_boxed(answer) or answer))
    for lead in (_LEAD_IN, _OPTION):
        found = lead.match(text)
        text = (trim(text[found.end() :]) if found else "") or text
    text = _IN_VIEW.sub("", text)
    letter = _LETTER.fullmatch(text)
    if letter:
        return Answer("letter", letter[1].upper())
    option = _LETTER_AND_TEXT.fullmatch(text)
    if option:
        return Answer("letter", (option[1] or option[2]).upper(), wording=_without_letter(trim(option[3])))
    return _without_letter(text) if text else Answer("phrase", answer.strip())


def _without_letter(text: str) -> Answer:
    text = (trim(text[1:-1]) if _BRACKETED.fullmatch(text) else text).casefold()
    yes_no = _YES_NO.match(text)
    if yes_no and not re.search(r"\b(?:no|nope|nah)\b" if yes_no[1] else r"\b(?:yes|yeah|yep|yup)\b", text):
        return Answer("yes/no", "yes" if yes_no[1] else "no")
    if len(text) <= LONGEST_TYPED:
        clock = parse_clock(text)
        if clock:
            return Answer("phrase", clock)
        quantity = parse_quantity(text)
        if quantity:
            return Answer("number", str(quantity.value * quantity.scale), quantity)
    words, preposition = content_words(text)
    return Answer("phrase", words, preposition=preposition)


_OPTIONS = re.compile(r"(?<![\w'])\(?([A-H])[.):](?=\s)")
_USUAL_OPTIONS = 4  # A to D, if the question does not list its options


def guesses(answer: str, question: str) -> int | None:
    """Number of answers to guess from: 2 for yes/no, the lettered options for a letter, None for other answers."""
    kind = normalise(answer).kind
    if kind == "letter":
        options = len(set(_OPTIONS.findall(f"{question} ")))
        return options if options >= 2 else _USUAL_OPTIONS
    return 2 if kind == "yes/no" else None


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
