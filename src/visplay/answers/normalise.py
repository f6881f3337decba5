"""An answer as a typed value: option letter, yes/no, number, or short phrase."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from string import ascii_uppercase
from typing import Literal

from visplay.answers.casing import meaningful_case
from visplay.answers.dates import parse_clock, parse_date
from visplay.answers.formula import as_formula, has_variables
from visplay.answers.options import option_letters, option_with_text
from visplay.answers.quantity import Quantity, parse_quantity
from visplay.answers.series import split_bracketed, split_plain
from visplay.answers.text import LONGEST_TYPED, content_words, extract_boxed, plain_text, trim
from visplay.answers.units import Unit, read_unit

Kind = Literal["letter", "yes/no", "number", "phrase"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer in canonical form.

    `core` must be equal: the upper-case letters, `yes` or `no`, the value in base units, the content words, or the
    formula. It is empty for a blank answer, which matches nothing.
    """

    kind: Kind
    core: str
    quantity: Quantity | None = None  # of a number
    preposition: str = ""  # of a phrase of place (`in` of `in the box`)
    wording: Answer | None = None  # the text after an option letter (`red` of `A. red`)
    closed: str = ""  # a phrase with its hyphens closed (`tshirt` of `t-shirt`)
    cased: str = ""  # the writing of a phrase whose case has a meaning (`Aa`, `CO`, `mW`)
    formula: str = ""  # what symbolic equality compares
    unit: Unit | None = None  # of a formula
    name: str = ""  # what the answer is the value of (`x` of `x = 5`)
    sign: str = ""  # between or around the `parts`: `-` of a range, `:` of a ratio, `[)` of an interval
    parts: tuple[Answer, ...] = ()  # of a range, ratio, list, interval, set or comparison
    key: str = field(init=False, repr=False)  # all of the above as a text; its hash is computed once

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", repr(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


_LEAD_IN = re.compile(
    r"(?:(?:so|thus|hence|therefore),? )?(?:(?:the|my) )?(?:(?:final|correct|right|best) )?"
    r"(?:answers?|options?|choices?)(?: (?:is|are):?| ?[:=]) ?"
    r"|(?:it|there|they|this|that|these|those) (?:is|are|was|were) |(?:it|that|there)'s |they're |i (?:can )?see "
    r"|(?:最终)?(?:答案|选项)(?:是|为)? ?:? ?",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?:the )?(?:options?|choices?|letter|answer) (?=[(\[]?[a-z][)\]]?(?:[.:), ]|$))", re.IGNORECASE)
_IN_VIEW = re.compile(r" (?:in|of|on) (?:the|this) (?:image|picture|photo|scene|screen|drawing)$", re.IGNORECASE)
_LETTER = re.compile(r"[(\[]?([a-z])[)\]]?", re.IGNORECASE)
_YES_NO = re.compile(
    r"(?:(yes|yeah|yep|yup)(?![\w'-])"
    r"|(no|nope|nah)(?:$|[,;!:.](?! ?[0-9])| -|(?= (?:it|there|he|she|they|this|that|these|those|the|i|we|you)\b)))"
    r"(?! or\b| and\b)"
)
_TRUE_FALSE = {"true": "yes", "false": "no"}
_NITRIC_OXIDE = "NO"
_VARIABLE = re.compile("[A-Za-zα-ω]|-?∞")
_HANDS = re.compile("[0-9]{1,2}:[0-9]{2}")
_NUMERAL = re.compile("-?[0-9.,/]+")
_DEEPEST = 3  # levels of series within series
_BRACKETED = re.compile(r"\([^()\[\]]+\)|\[[^()\[\]]+\]")
# The last sign between a name and its value; not ≤, ==, !=.
_EQUALS = re.compile(r"(?<![<>=!:])=(?!=)|∈")
_EACH = re.compile(r",? (?:and|or) |[,;] ?")
_YEAR = re.compile(r"^(?:in )?(?:the )?(?:year )?(?=[12][0-9]{3}$)", re.IGNORECASE)


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
    letters = option_letters(text)
    if letters:
        together = text.isalpha()  # `AC` can be a word as well
        return Answer("letter", ",".join(letters), wording=_phrase(text) if together else None)
    option = option_with_text(text)
    if option and not as_formula(text):  # x - 5
        return Answer("letter", option[0], wording=_value(trim(option[1])))
    value = _value(text)
    return value if value.core else Answer("phrase", answer.strip())  # signs alone, as `_(;)` or `[!]`


def _value(text: str) -> Answer:
    """An answer without an option letter; of `x = 3 + 2 = 5`, the value after the last "=" and its name."""
    if ("=" not in text and "∈" not in text) or len(text) > LONGEST_TYPED:
        return _typed(text)
    sides = [side.strip() for side in _EQUALS.split(text)]
    if len(sides) < 2 or not all(sides):
        return _typed(text)
    if len(sides) > 2 and any(_EACH.search(side) for side in sides[1:-1]):
        return _several_values(text)
    name, value = sides[0], sides[-1].partition("~")[0].strip() or sides[-1]
    if _VARIABLE.fullmatch(value) and _NUMERAL.fullmatch(name):  # 5 = x
        name, value = value, name
    return replace(_typed(trim(value)), name=re.sub(r"^(?:the|so) |\s", "", name))


def _several_values(text: str) -> Answer:
    """`x = 1, y = 2`, in any order; `x = 1 or x = 2` are two values of the same."""
    parts = tuple(_value(part) for part in map(str.strip, _EACH.split(text)) if part)
    if not all(part.name and (part.quantity or part.formula) for part in parts):
        return _phrase(text)
    sign = "or" if len({part.name for part in parts}) == 1 else "="
    return Answer("phrase", " ".join(f"{part.name}={part.core}" for part in parts), sign=sign, parts=parts)


def _typed(text: str, depth: int = 0) -> Answer:
    if len(text) > LONGEST_TYPED:
        return _phrase(text)
    bracketed = _series(split_bracketed(text), depth)
    if bracketed:
        return bracketed
    text = _YEAR.sub("", trim(text[1:-1]) if _BRACKETED.fullmatch(text) else text)
    folded = text.casefold()
    said = _yes_or_no(text, folded)
    if said:
        return Answer("yes/no", said)
    moment = parse_date(folded) or parse_clock(folded)
    if moment:
        ratio = _series(split_plain(folded), depth) if _HANDS.fullmatch(folded) else None  # 1:10 may be one
        return Answer("phrase", moment, sign=":", parts=ratio.parts if ratio else ())
    quantity = parse_quantity(text)
    if quantity:
        return Answer("number", str(quantity.value * quantity.scale), quantity)
    return _series(split_plain(text), depth) or _formula(text) or _phrase(text)


def _phrase(text: str) -> Answer:
    words = content_words(text.casefold())
    cased = meaningful_case(text)
    return Answer("phrase", words.words, preposition=words.preposition, closed=words.closed, cased=cased)


def _yes_or_no(text: str, folded: str) -> str:
    found = _YES_NO.match(folded)
    if found is None or text == _NITRIC_OXIDE:
        return _TRUE_FALSE.get(folded, "")
    other = r"\b(?:no|nope|nah)\b" if found[1] else r"\b(?:yes|yeah|yep|yup)\b"
    return "" if re.search(other, folded) else "yes" if found[1] else "no"


def _formula(text: str) -> Answer | None:
    """A formula, with the unit after it if there is one: `2√3 cm`."""
    words = text.split(" ")
    for last in range(1, min(len(words), 4)):
        formula = as_formula(" ".join(words[:-last]))
        unit = read_unit(" ".join(words[-last:])) if formula else None
        # `2√3 m` is a length, `2x + m` is not.
        if unit and (len(words[-1]) > 1 or not has_variables(formula)):
            return Answer("phrase", f"{formula} {unit[0]} {unit[1]}", formula=formula, unit=unit)
    formula = as_formula(text)
    return Answer("phrase", formula, formula=formula) if formula else None


def _series(found: tuple[str, list[str]] | None, depth: int) -> Answer | None:
    """Several values as one answer, if all of them are numbers, formulas or such series themselves."""
    if found is None or depth > _DEEPEST:
        return None
    sign, texts = found
    parts = tuple(
        Answer("phrase", text, formula=text) if _VARIABLE.fullmatch(text) else _typed(text, depth + 1)
        for text in map(str.strip, texts)
    )
    numbers = all(part.quantity for part in parts)
    if not numbers and (sign in ("-", "") or not all(part.formula or part.quantity or part.parts for part in parts)):
        return None
    return Answer("phrase", f"{sign} {' | '.join(part.core for part in parts)}", sign=sign, parts=parts)


_OPTIONS = re.compile(r"(?<![\w'])\(?([A-Z])[.):](?=\s)")
_USUAL_OPTIONS = 4  # A to D, if the question does not list its options


def guesses(answer: str, question: str) -> int | None:
    """Number of answers to guess from: 2 for yes/no, the lettered options for a letter, None for other answers."""
    kind = normalise(answer).kind
    if kind == "letter":
        named = set(_OPTIONS.findall(f"{question} "))
        options = next(n for n, letter in enumerate(f"{ascii_uppercase} ") if letter not in named)
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
