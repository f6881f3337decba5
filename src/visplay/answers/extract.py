r"""Extract the Reasoner's answer from `\boxed{…}`."""

from __future__ import annotations

import re

_BRACES = re.compile(r"\\boxed\s*\{|\\[{}]|[{}]")


def boxed_spans(text: str) -> list[tuple[int, int]]:
    r"""Start and end of the content of every balanced `\boxed{…}`, in order of their start.

    Escaped braces (`\{`, `\}`) do not count. The time is linear in the length of `text`.
    """
    opened: list[tuple[bool, int]] = []
    spans: list[tuple[int, int]] = []
    for brace in _BRACES.finditer(text):
        if brace[0].startswith("\\boxed"):
            opened.append((True, brace.end()))
        elif brace[0] == "{":
            opened.append((False, brace.end()))
        elif brace[0] == "}" and opened:
            is_box, start = opened.pop()
            if is_box:
                spans.append((start, brace.start()))
    return sorted(spans)


def extract_boxed(text: str) -> str | None:
    r"""Content of the last balanced `\boxed{…}`, stripped; None if there is none or it is blank.

    Of nested boxes the innermost counts. An unclosed box does not count.
    """
    spans = boxed_spans(text)
    if not spans:
        return None
    start, end = spans[-1]
    return text[start:end].strip() or None
