r"""The content of `\boxed{…}`, and one spelling for equal texts: without LaTeX, signs, articles and plurals.

Models write texts of any length and form, so every pattern here takes time linear in the length of its input.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from visplay.answers.thought import reply

LONGEST_TYPED = 200
"""Longest answer, characters, that is read as more than a phrase."""

_BRACES = re.compile(
    r"(?P<box>\\boxed\s*\{)|\\[{}]|(?P<open>\{)|(?P<close>\})|(?P<begin><\|begin_of_box\|>)|(?P<end><\|end_of_box\|>)"
)
_VARIANTS = str.maketrans(
    dict.fromkeys("−–—‒‐‑", "-")
    | dict.fromkeys("‘’ʼ′", "'")
    | dict.fromkeys("“”„″", '"')
    | dict.fromkeys("\u200b\u200e\u200f\u2060\ufeff", "")
    | {"º": "°", "×": " x ", "·": " * ", "⋅": " * ", "⁄": "/", "≈": "~", "…": "."}
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴-⁹⁺⁻]+")
_MIXED_FRACTION = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}\s*\{([^{}]*)\}|([0-9])\s*([0-9]))")
_LATEX = (
    (r"\\!", ""),
    (r"\^?\{?\\(?:circ|degree)(?![A-Za-z])\}?", "°"),
    (r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf|tt)|operatorname|mbox|boxed)(?![A-Za-z])", " "),
    (r"\\(?:left|right)(?![A-Za-z])", ""),
    (r"\\times(?![A-Za-z])", " x "),
    (r"\\cdot(?![A-Za-z])", " * "),
    (r"\\pi(?![A-Za-z])", "π"),
    (r"\\q?quad(?![A-Za-z])|\\[,;:> \\]", " "),
    (r"\\[()\[\]]", ""),
    (r"\\([%$#&_{}])", r"\1"),
    (r"[{}]", ""),
)

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
_DIRECTION_NOUNS = frozenset({"side", "hand", "corner", "part", "half"})

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen".split()
)
_SPELLING = {
    "grey": "gray", "colour": "color", "centre": "center", "metre": "meter", "litre": "liter",
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th",
    "seventh": "7th", "eighth": "8th", "ninth": "9th", "tenth": "10th",
} | {word: str(number) for number, word in enumerate(ONES[:13])}  # fmt: skip
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
    r"""`text` on one line, without LaTeX markup and typographic signs; the case is kept.

    `\frac{1}{2}` becomes `1/2`, `5\,\text{cm}` becomes `5 cm`, `10³` becomes `10^3`.
    """
    text = text.translate(_VARIANTS)
    text = _SUPERSCRIPT.sub(lambda run: "^" + run[0].translate(_SUPERSCRIPTS), text)
    if not text.isascii() and len(text) <= LONGEST_TYPED:
        # Sorting the combining marks of longer texts could take quadratic time.
        text = unicodedata.normalize("NFKC", _MIXED_FRACTION.sub(" ", text)).replace("⁄", "/")
    if "$" in text and text.count("$") - text.count(r"\$") != 1:
        text = text.replace(r"\$", "\0").replace("$", "").replace("\0", "$")
    text = re.sub(r"(?<=\S)~(?=\S)", " ", text)
    if "\\" in text or "{" in text or "}" in text:
        text = _FRACTION.sub(_as_division, text)
        for pattern, replacement in _LATEX:
            text = re.sub(pattern, replacement, text)
    return " ".join(text.split())


def _as_division(fraction: re.Match[str]) -> str:
    above, below = (side.strip() for side in fraction.groups() if side is not None)
    above, below = (side if re.fullmatch(r"[\w.]*", side) else f"({side})" for side in (above, below))
    # A space separates the whole part of a mixed number: 1\frac{1}{2} is 1 1/2.
    mixed = fraction.start() > 0 and fraction.string[fraction.start() - 1].isdigit()
    return f"{' ' if mixed else ''}{above}/{below}"


def trim(text: str) -> str:
    """`text` without the quotes, emphasis and closing punctuation around it."""
    return text.lstrip(" \"'`*_,;:!?").rstrip(" \"'`*_.,;:!?")


def content_words(text: str) -> tuple[str, str]:
    """The content words of a plain text in lower case, joined by spaces, and the preposition of place before them.

    Articles, plurals, spelling variants and hyphens do not count; synonyms and word order do. `on the left side` and
    `left` have the same words and no preposition. `on the box` and `box` have the same words, the former with `on`.
    """
    ignored = _IGNORED if any(sign.isdigit() for sign in text) else _IGNORED_WITHOUT_DIGITS
    found = _TOKEN.findall(_HYPHEN.sub(" ", text))
    found = [token.replace(".", "") if _ABBREVIATION.fullmatch(token) else token for token in found]
    tokens = [token.replace("'", "") for token in found if token not in ignored]
    if len(tokens) > 2 and tokens[0] == "the" and tokens[-1] in ("one", "ones"):
        tokens = tokens[:-1]
    words = []
    for token, following in pairwise([*tokens, ""]):
        article = token == "a" and len(following) > 1 and following.isalpha() and following not in ("or", "and")
        if not article and token not in ("the", "an", "and", ","):
            word = singular(_SPELLING.get(token, token))
            words.append(_SPELLING.get(word, word))
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
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")) or word in _SINGULAR_IN_S:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")) or (word.endswith("oes") and len(word) > 5):
        return word[:-2]
    if word.endswith("uses") and not word.endswith("ouses"):
        return word[:-2]
    return word[:-1]
