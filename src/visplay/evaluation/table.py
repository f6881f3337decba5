"""A small table of text: drawn on a terminal, as aligned lines, as Markdown, or as LaTeX; and figures as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from visplay.evaluation.statistics import MeanDifference, PairedDifference

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "*": r"\textsuperscript{*}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {sign: f"\\{sign}" for sign in "$&#_%"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title. The first cell of a row groups it; a cell that ends in `*` makes its row bold.

    Attributes:
        columns: one heading for each cell; the column "items" is right-aligned.
        note: how to read the figures; its line breaks are kept.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def rich(self) -> RichTable:
        """The table for a terminal."""
        table = RichTable(title=self.title, caption=self.note or None, box=box.SIMPLE_HEAD, pad_edge=False)
        for column in self.columns:
            table.add_column(column, justify="right" if column == "items" else "left", no_wrap=True)
        groups = [row[0] for row in self.rows]
        sections = len(set(groups)) < len(groups)
        for place, row in enumerate(self.rows):
            if sections and place and row[0] != groups[place - 1]:
                table.add_section()
            # As text, since a suite may be named like markup.
            table.add_row(*map(Text, row), style="bold" if any(cell.endswith("*") for cell in row) else None)
        return table

    def plain(self) -> str:
        """Aligned lines, for a log or a pipe."""
        lines = [self.title, *aligned((self.columns, *self.rows)), self.note]
        return "\n".join(lines if self.note else lines[:-1])

    def show(self, console: Console) -> None:
        """Print `rich` on a terminal, else `plain`."""
        console.print(self.rich() if console.is_terminal else f"{self.plain()}\n", highlight=False, markup=False)

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


def marked(difference: PairedDifference | MeanDifference) -> str:
    """A difference in points, with a star where its interval excludes zero."""
    return points(difference.mean, difference.ci95) + (" *" if difference.ci95.excludes_zero else "")


def _in_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _in_latex(text: str) -> str:
    escaped = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    # A hyphen before a digit is a minus, unless it is inside a name.
    return re.sub(r"(?<![\w$/.-])-(?=\d)", "$-$", escaped)
