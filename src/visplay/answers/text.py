r"""The content of `\boxed{…}`, and one spelling for equal texts: without LaTeX, signs, articles and plurals.

Models write texts of any length and form, so every pattern here takes time linear in the length of its input.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from visplay.answers.latex import read_latex
from visplay.answers.thought import reply

LONGEST_TYPED = 200
"""Longest answer, characters, that is read as more than a phrase."""

_BRACES = re.compile(
    r"(?P<box>\\boxed\s*\{)|\\[{}]|(?P<open>\{)|(?P<close>\})|(?P<begin><\|begin_of_box\|>)|(?P<end><\|end_of_box\|>)"
)
_VARIANTS = str.maketrans(
    dict.fromkeys("−–—‒‐‑", "-")
    | dict.fromkeys("‘’ʼ′", "'")
    | dict.fromkeys("“”„″«»「」『』", '"')
    | dict.fromkeys("\u200b\u200e\u200f\u2060\ufeff", "")
    | {"º": "°", "×": " × ", "·": " * ", "⋅": " * ", "∙": " * ", "÷": "/", "⁄": "/", "≈": "~", "…": "."}
    | {"。": ".", "、": ",", "¿": "", "¡": "", "【": "[", "】": "]", "〜": "~"}
)
_SCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉", "0123456789+-0123456789")
_SCRIPT = re.compile("([⁰¹²³⁴-⁹⁺⁻]+)|[₀-₉]+")
_MIXED_FRACTION = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
_TIMES = re.compile(r"(?<=[0-9]) ?[xX] ?(?=[0-9])")
_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)([^*_]+)\1")
_SIMPLE_ROOT = re.compile(r"√\(([0-9]+|[a-z])\)(?![\w.(^])")
_FEET = r"([0-9]+(?:\.[0-9]+)?)\s?['′’]\s?"
_INCHES = r"([0-9]+(?:\.[0-9]+)?(?:[ -][0-9]+/[0-9]+)?|[0-9]+/[0-9]+)\s?(?:[\"″”]|['′’]{2})"
_FEET_AND_INCHES = re.compile(rf"\s*(?:{_FEET})?(?:{_INCHES})?\s*")

_FACTORIAL = re.compile(r"[0-9n()]+!(?:[0-9n()!]+|/)*")
_ACCENT = re.compile("(?<=[a-z])[\u0300-\u036f]+")
_SUBSCRIPT = re.compile(r"(?<=[^\W_])_(?=[0-9])")

_TOKEN = re.compile(r"[^\W_]+(?:['.][^\W_]+)*|[^\w\s]|_")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_ABBREVIATION = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
# The comma is a token, because `a` before a comma is a letter and not an article, as in `a, b`.
_IGNORED = frozenset(".;!?\"'")
# Brackets and operators have a meaning in a formula, but not among words.
_IGNORED_WITHOUT_DIGITS = _IGNORED | frozenset(":()[]*_`&")
_PREPOSITIONS = frozenset({"on", "in", "at", "to"})
_DIRECTIONS = frozenset(
    "left right top bottom center middle front back upper lower north south east west background foreground".split()
)
_DIRECTIONS |= {side + end for side in ("north", "south") for end in ("east", "west")}
_DIRECTION_NOUNS = frozenset({"side", "hand", "corner", "part", "half"})

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen".split()
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth".split()
)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


_SPELLING = (
    {"grey": "gray", "colour": "color", "centre": "center", "metre": "meter", "litre": "liter"}
    | {word: _ordinal(number) for number, word in enumerate(ORDINALS, start=1)}
    | {f"{word[:-1]}ieth": _ordinal(10 * number) for number, word in enumerate(TENS, start=2)}
    | {word: str(number) for number, word in enumerate(ONES[:13])}
)
# Two words that are one: twenty first, north west.
_JOINED = {
    (tens, _ordinal(small)): _ordinal(10 * number + small)
    for number, tens in enumerate(TENS, start=2)
    for small in range(1, 10)
} | {(side, end): side + end for side in ("north", "south") for end in ("east", "west")}
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "leaves": "leaf", "knives": "knife", "wolves": "wolf", "shelves": "shelf",
    "loaves": "loaf", "scarves": "scarf", "halves": "half", "wives": "wife", "lives": "life", "calves": "calf",
    "thieves": "thief", "axes": "axe", "canoes": "canoe", "cookies": "cookie", "movies": "movie",
    "zombies": "zombie", "hoodies": "hoodie", "brownies": "brownie", "smoothies": "smoothie", "gases": "gas",
    "lenses": "lens", "policemen": "policeman", "firemen": "fireman", "vertices": "vertex",
}  # fmt: skip
_SINGULAR_IN_S = frozenset(
    "gas lens series species news atlas canvas christmas texas always perhaps sometimes does yes".split()
)


def boxed_spans(text: str) -> list[tuple[int, int]]:
    r"""Start and end of the content of every balanced `\boxed{…}`, in order of their start.

    Escaped braces (`\{`, `\}`) do not count. GLM's `<|begin_of_box|>…<|end_of_box|>` is a box, unless it holds one. The
    time is linear in the length of `text`.
    """
    starts: list[int | None] = []  # of the braces that are open; None for a brace without \boxed
    spans: list[tuple[int, int]] = []
    begun: int | None = None  # GLM's box that is open
    for brace in _BRACES.finditer(text):
        if brace["box"] or brace["open"]:
            starts.append(brace.end() if brace["box"] else None)
        elif brace["close"] and starts:
            start = starts.pop()
            if start is not None:
                spans.append((start, brace.start()))
        elif brace["begin"]:
            begun = brace.end()
        elif brace["end"] and begun is not None:
            if not spans or spans[-1][0] < begun:
                spans.append((begun, brace.start()))
            begun = None
    return sorted(spans)


def extract_boxed(text: str) -> str | None:
    r"""Content of the last balanced `\boxed{…}` after the thought, stripped; None if there is none or it is blank.

    Of nested boxes the innermost counts. An unclosed box does not count, nor a box in a thought.
    """
    said = reply(text) or ""
    spans = boxed_spans(said)
    return (said[slice(*spans[-1])].strip() or None) if spans else None


def plain_text(text: str) -> str:
    r"""`text` on one line, in plain notation and without typographic signs; the case is kept.

    `\frac{1}{2}` becomes `1/2`, `5\,\text{cm}` becomes `5 cm`, `10³` becomes `10^3`, `5'3"` becomes `5 ft 3 in`.
    """
    text = _with_feet(text).translate(_VARIANTS)
    text = _SCRIPT.sub(_written_out, text)
    if not text.isascii() and len(text) <= LONGEST_TYPED:
        # Sorting the combining marks of longer texts could take quadratic time.
        text = unicodedata.normalize("NFKC", _MIXED_FRACTION.sub(" ", text)).replace("⁄", "/")
    if "$" in text and text.count("$") - text.count(r"\$") != 1:
        text = text.replace(r"\$", "\0").replace("$", "").replace("\0", "$")
    text = re.sub(r"(?<=\S)~(?=[^\W\d])", " ", text)
    text = re.sub(r"^'(?=[0-9]0s\b)", "the ", text)  # '90s: a decade
    if "\\" in text or "{" in text or "}" in text:
        text = _SIMPLE_ROOT.sub(r"√\1", read_latex(text))
    return " ".join(_TIMES.sub(" × ", _EMPHASIS.sub(r"\2", text)).split())


def _with_feet(text: str) -> str:
    """A length in feet and inches with its units; any other text as it is."""
    marked = _FEET_AND_INCHES.fullmatch(text) if len(text) <= LONGEST_TYPED else None
    feet, inches = marked.groups() if marked else (None, None)
    return " ".join(f"{size} {unit}" for size, unit in ((feet, "ft"), (inches, "in")) if size) or text


def _written_out(script: re.Match[str]) -> str:
    digits = script[0].translate(_SCRIPTS)
    apart = " " if script.string[script.end() : script.end() + 1].isdigit() else ""
    if script[1] is None:
        return f"_{digits}{apart}"
    return f"^{digits if re.fullmatch('[+-]?[0-9]+', digits) else f'({digits})'}{apart}"


def trim(text: str) -> str:
    """`text` without the quotes, emphasis and closing punctuation around it; `5!` is a factorial and keeps its sign."""
    if _FACTORIAL.fullmatch(text):
        return text
    return text.lstrip(" \"'`*_,;:!?").rstrip(" \"'`*_.,;:!?")


@dataclass(frozen=True, slots=True)
class Words:
    """The content words of a text, joined by spaces.

    `closed` writes what has a hyphen as one word. `preposition` is that of place before the words.
    """

    words: str
    closed: str
    preposition: str = ""


def content_words(text: str) -> Words:
    """The content words of a plain text in lower case.

    Articles, plurals, spelling variants, accents and hyphens do not count; synonyms and word order do. `on the left
    side` and `left` have the same words and no preposition. `on the box` and `box` have the same words, the former with
    `on`.
    """
    text = _SUBSCRIPT.sub("", without_accents(text))
    words, preposition = _content(_HYPHEN.sub(" ", text))
    closed = _content(_HYPHEN.sub("", text))[0] if _HYPHEN.search(text) else words
    return Words(words, closed, preposition)


def without_accents(text: str) -> str:
    """A text in lower case whose Latin letters have no accents; the signs of other scripts keep theirs."""
    if text.isascii() or len(text) > LONGEST_TYPED:
        return text
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))


def _content(text: str) -> tuple[str, str]:
    ignored = _IGNORED if any(sign.isdigit() for sign in text) else _IGNORED_WITHOUT_DIGITS
    found = _TOKEN.findall(text)
    found = [token.replace(".", "") if _ABBREVIATION.fullmatch(token) else token for token in found]
    tokens = [token.replace("'", "") for token in found if token not in ignored]
    if len(tokens) > 2 and tokens[0] == "the" and tokens[-1] in ("one", "ones"):
        tokens = tokens[:-1]
    words: list[str] = []
    for token, following in pairwise([*tokens, ""]):
        article = token == "a" and len(following) > 1 and following.isalpha() and following not in ("or", "and")
        if not article and token not in ("the", "an", "and", ","):
            word = _SPELLING.get(token, token)
            word = _SPELLING.get(singular(word), singular(word))
            joined = _JOINED.get((words[-1], word)) if words else None
            words[-1:] = [joined] if joined else [*words[-1:], word]
    if not words:
        return " ".join(tokens) or text, ""
    placed = words[0] in _PREPOSITIONS
    direction = words[placed:]
    while len(direction) > 1 and direction[-1] in _DIRECTION_NOUNS:
        direction.pop()
    if direction and _DIRECTIONS.issuperset(direction):
        return " ".join(direction), ""
    return (" ".join(words[1:]), words[0]) if placed and len(words) > 1 else (" ".join(words), "")


def singular(word: str) -> str:
    """The singular of an English noun in lower case, by rules; other words unchanged."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if (
        len(word) <= 3
        or not word.endswith("s")
        or word[:-1].isdigit()
        or word.endswith(("ss", "us", "is"))
        or word in _SINGULAR_IN_S
    ):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")) or (word.endswith("oes") and len(word) > 5):
        return word[:-2]
    if word.endswith("uses") and not word.endswith("ouses"):
        return word[:-2]
    return word[:-1]
