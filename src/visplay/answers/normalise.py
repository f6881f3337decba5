"""An answer as a typed value: option letter, yes/no, number, or short phrase."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from visplay.answers.extract import extract_boxed
from visplay.answers.phrase import parse_phrase
from visplay.answers.plain import LONGEST_TYPED, plain_text, trim, unwrap
from visplay.answers.quantity import Quantity, parse_clock, parse_quantity

Kind = Literal["letter", "yes/no", "number", "phrase"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in canonical form.

    Attributes:
        core: the part that must be equal: the upper-case letter, `yes` or `no`, the value in base units, or the content
            words. Empty for a blank answer, which matches nothing.
        quantity: the number and its unit; None for other kinds.
        preposition: the first word of a phrase of place (`in` of `in the box`).
        wording: the text after an option letter (`red` of `A. red`).
    """

    kind: Kind
    core: str
    quantity: Quantity | None = None
    preposition: str = ""
    wording: Answer | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Hashable canonical form; answers of equal key match."""
        wording = self.wording.key if self.wording else ()
        return (self.kind, self.core, self.unit or self.preposition, *wording)

    @property
    def value(self) -> Fraction | None:
        """The exact number in the written unit; None for other kinds."""
        return self.quantity.value if self.quantity else None

    @property
    def unit(self) -> str:
        """Dimension or counted noun; empty if there is none."""
        return self.quantity.unit if self.quantity else ""


_LEAD_IN = re.compile(
    r"(?:(?:so|thus|hence|therefore),? )?(?:(?:the|my) )?(?:(?:final|correct|right|best) )?"
    r"(?:answer|option|choice)(?: is:?| ?[:=]) ?"
    r"|(?:it|there|they|this|that|these|those) (?:is|are|was|were) |(?:it|that|there)'s |they're |i (?:can )?see "
    r"|[a-z] ?= ?",
    re.IGNORECASE,
)
_IN_VIEW = re.compile(r" (?:in|of|on) (?:the|this) (?:image|picture|photo|scene|screen|drawing)$", re.IGNORECASE)
_OPTION = re.compile(r"(?:the )?(?:option|choice|letter|answer) (?=[(\[]?[a-z][)\]]?(?:[.:) ]|$))", re.IGNORECASE)
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


def normalise(answer: str) -> Answer:
    r"""The answer as a letter, yes/no, a number or a phrase; the first kind that fits.

    Case, punctuation, articles, plurals, LaTeX, lead-ins (`The answer is …`) and `in the image` do not count. If the
    text has a `\boxed{…}`, only its content counts. Never raises; the time is linear in the length of `answer`.
    """
    # Cached, because votes repeat the same few short answers many thousand times.
    return _cached(answer) if len(answer) <= LONGEST_TYPED else _typed(answer)


def _typed(answer: str) -> Answer:
    text = trim(plain_text(extract_boxed(answer) or answer))
    text = _IN_VIEW.sub("", _without(_OPTION, _without(_LEAD_IN, text)))
    letter = _LETTER.fullmatch(text)
    if letter:
        return Answer("letter", letter[1].upper())
    option = _LETTER_AND_TEXT.fullmatch(text)
    if option:
        return Answer("letter", (option[1] or option[2]).upper(), wording=_read(trim(option[3])))
    return _read(text) if text else Answer("phrase", answer.strip())


_cached = lru_cache(maxsize=8192)(_typed)


def _read(text: str) -> Answer:
    text = unwrap(text).casefold()
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
    phrase = parse_phrase(text)
    return Answer("phrase", phrase.words, preposition=phrase.preposition)


def _without(lead: re.Pattern[str], text: str) -> str:
    found = lead.match(text)
    rest = trim(text[found.end() :]) if found else ""
    return rest or text
