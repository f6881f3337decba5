"""Option letters from A to Z: alone, several of them, and with the option's text in any common writing."""

from __future__ import annotations

import re
from itertools import pairwise

_WITH_TEXT = re.compile(
    r"(?:[(\[]([a-z])[)\]](?: ?[.:,-])? ?"  # (B) red, [B]: red
    r"|([a-z])(?: ?[)\]] ?|\.(?: |(?=[^\W\d_]{2})|(?=[^\x00-\x7f]))"  # B) red, B. red
    r"| ?: ?(?![a-z]$)| -+ (?![a-z]$))"  # B: red, B - red
    r"|([A-Z])(?:, ?(?![a-z]$)|(?= ?\([^()]*\)$) ?))"  # B, red; B (red)
    r"(?!(?:and|or)\b|[,&/+]|[(\[][a-z][)\]]$)(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = re.compile(r"(?:[A-Z]|\(([A-Za-z])\))(?:(?:, ?|; ?| ?& ?| ?\+ ?| )(?:and )?(?:[A-Z]|\([A-Za-z]\)))+")
_LISTED = re.compile(r"(?:^|(?<=[,;.] )|(?<=[,;\n])|(?<=and ))[(\[]?([A-Z])(?:[)\]:] ?|\. )(?=\S)")
_LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_AND = re.compile(",? and |[和与及]")
_RUN = re.compile("[A-H]{2,8}")


def option_letters(text: str) -> list[str]:
    """The letters, in order, of an answer that names several: `A, C`, `(A) and (C)`, `AC`, `A. red, C. blue`."""
    joined = _AND.sub(", ", text)
    if _SEVERAL.fullmatch(joined):
        return sorted({letter.upper() for letter in _LETTER.findall(joined)})
    if _RUN.fullmatch(text) and all(left < right for left, right in pairwise(text)):
        return list(text)
    listed = _LISTED.findall(text) if text[:1] in "([" or text[1:2] in tuple(".):]") else []
    return sorted(set(listed)) if len(set(listed)) > 1 else []


def option_with_text(text: str) -> tuple[str, str] | None:
    """The letter and the option's text of `B. red`, `(B) red`, `B (red)`; None for any other answer."""
    found = _WITH_TEXT.fullmatch(text)
    if found is None or (found[3] and not found[3].isupper()):
        return None
    return (found[1] or found[2] or found[3]).upper(), found[4]
