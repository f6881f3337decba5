r"""Removes LaTeX, Markdown and typographic variants, so that equal answers have equal spellings.

Models write texts of any length and form, so every pattern here takes time linear in the length of its input.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_TYPED = 200
"""Longest answer, characters, that is read as more than a phrase."""

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
_SIMPLE = re.compile(r"[\w.]*")
_LATEX = (
    (re.compile(r"\\!"), ""),
    (re.compile(r"\^?\{?\\(?:circ|degree)(?![A-Za-z])\}?"), "°"),
    (re.compile(r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf|tt)|operatorname|mbox|boxed)(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:left|right)(?![A-Za-z])"), ""),
    (re.compile(r"\\times(?![A-Za-z])"), " x "),
    (re.compile(r"\\cdot(?![A-Za-z])"), " * "),
    (re.compile(r"\\pi(?![A-Za-z])"), "π"),
    (re.compile(r"\\q?quad(?![A-Za-z])|\\[,;:> \\]"), " "),
    (re.compile(r"\\[()\[\]]"), ""),
    (re.compile(r"\\([%$#&_{}])"), r"\1"),
    (re.compile(r"[{}]"), ""),
)
_NO_BREAK = re.compile(r"(?<=\S)~(?=\S)")


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
    text = _NO_BREAK.sub(" ", text)
    if "\\" in text or "{" in text or "}" in text:
        text = _FRACTION.sub(_as_division, text)
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    return " ".join(text.split())


def trim(text: str) -> str:
    """`text` without the quotes, emphasis and closing punctuation around it."""
    return text.lstrip(" \"'`*_,;:!?").rstrip(" \"'`*_.,;:!?")


def unwrap(text: str) -> str:
    """`text` without a pair of brackets around the whole text."""
    if len(text) > 2 and text[0] + text[-1] in ("()", "[]") and not any(sign in text[1:-1] for sign in "()[]"):
        return trim(text[1:-1])
    return text


def _as_division(fraction: re.Match[str]) -> str:
    above, below = (fraction[1], fraction[2]) if fraction[1] is not None else (fraction[3], fraction[4])
    above, below = (side if _SIMPLE.fullmatch(side) else f"({side})" for side in (above.strip(), below.strip()))
    # A space separates the whole part of a mixed number: 1\frac{1}{2} is 1 1/2.
    mixed = fraction.start() > 0 and fraction.string[fraction.start() - 1].isdigit()
    return f"{' ' if mixed else ''}{above}/{below}"
