r"""Extracts the Reasoner's answer from `\boxed{…}`."""

from __future__ import annotations

import re

_BRACES = re.compile(r"(?P<box>\\boxed\s*\{)|\\[{}]|(?P<open>\{)|(?P<close>\})")


def boxed_spans(text: str) -> list[tuple[int, int]]:
    r"""Start and end of the content of every balanced `\boxed{…}`, in order of their start.

    Escaped braces (`\{`, `\}`) do not count. The time is linear in the length of `text`.
    """
    starts: list[int | None] = []  # of the braces that are open; None for a brace without \boxed
    spans: list[tuple[int, int]] = []
    for brace in _BRACES.finditer(text):
        if brace["box"] or brace["open"]:
            starts.append(brace.end() if brace["box"] else None)
        elif brace["close"] and starts:
            start = starts.pop()
            if start is not None:
                spans.append((start, brace.start()))
    return sorted(spans)


def extract_boxed(text: str) -> str | None:
    r"""Content of the last balanced `\boxed{…}`, stripped; None if there is none or it is blank.

    Of nested boxes the innermost counts. An unclosed box does not count.
    """
    spans = boxed_spans(text)
    return (text[slice(*spans[-1])].strip() or None) if spans else None
