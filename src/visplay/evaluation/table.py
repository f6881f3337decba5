"""A small table of text: as aligned lines, as Markdown, or as LaTeX; and figures as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_NAMED = {"\\": "backslash", "~": "asciitilde", "^": "asciicircum", "<": "less", ">": "greater", "|": "bar"}
_LATEX = {sign: f"\\{sign}" for sign in "$&#_%{}"} | {sign: f"\\text{name}{{}}" for sign, name in _NAMED.items()}
_LATEX |= {"−": "$-$", "*": r"\textsuperscript{*}"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title, one heading for each cell, and a note on how to read the figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def show(self, console: Console) -> None:
        """Print `plain`; rows with a star are bold on a terminal."""
        for line in (*self.plain().split("\n"), ""):
            console.print(Text(line, style="bold" if "] *" in line else ""))

    def plain(self) -> str:
        """Aligned lines, for a log or a pipe."""
        lines = [self.title, *aligned((self.columns, *self.rows)), self.note]
        return "\n".join(lines if self.note else lines[:-1])

    def markdown(self) -> str:
        """A table of GitHub's Markdown, with the title above it and the note below."""
        rule = "|---" * len(self.columns) + "|"
        head, *rows = ("| " + " | ".join(map(_in_markdown, row)) + " |" for row in (self.columns, *self.rows))
        parts = [_in_markdown(self.title), "\n".join([head, rule, *rows]), _in_markdown(self.note)]
        return "\n\n".join(part for part in parts if part)

    def latex(self) -> str:
        """A LaTeX `table` with the rules of the package booktabs; title and note are its caption."""
        caption = " ".join(part for part in (f"{self.title}." if self.title else "", self.note) if part)
        head, *rows = (" & ".join(map(_in_latex, row)) + r" \\" for row in (self.columns, *self.rows))
        return "\n".join(
            [
                r"\begin{table}",
                r"\centering",
                rf"\begin{{tabular}}{{{'l' * len(self.columns)}}}",
                *(r"\toprule", head, r"\midrule", *rows, r"\bottomrule"),
                r"\end{tabular}",
                rf"\caption{{{_in_latex(caption)}}}",
                r"\end{table}",
            ]
        )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns are aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def points(mean: float, ci95: Sequence[float] | None) -> str:
    """A difference of fractions in points, with its interval if it has one: `+1.5 [+0.2, +2.8]`."""
    interval = f" [{100 * ci95[0]:+.1f}, {100 * ci95[1]:+.1f}]" if ci95 else ""
    return f"{100 * mean:+.1f}{interval}"


def share(fraction: float, ci95: Sequence[float]) -> str:
    """A fraction in percent with its interval: `62.5 [57.7, 67.1]`."""
    return f"{100 * fraction:.1f} [{100 * ci95[0]:.1f}, {100 * ci95[1]:.1f}]"


def marked(difference: Mapping[str, Any] | None) -> str:
    """A difference (`mean`, `ci95`) in points, with a star if its interval excludes zero; empty if it is missing."""
    if not difference:
        return ""
    low, high = difference["ci95"]
    return points(difference["mean"], difference["ci95"]) + (" *" if low > 0 or high < 0 else "")


def _in_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _in_latex(text: str) -> str:
    escaped = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    # A hyphen before a digit is a minus, unless it is inside a name.
    return re.sub(r"(?<![\w$/.-])-(?=\d)", "$-$", escaped)
