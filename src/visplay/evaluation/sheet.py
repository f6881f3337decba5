"""A small table as text: drawn on a terminal, aligned lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows under a title; the first cell of a row groups it, a cell that ends in `*` makes its row bold.

    Attributes:
        columns: one heading a cell; "items" is set right.
        note: how the figures are to be read, in lines as they are to stand.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def rich(self) -> Table:
        """The table for a terminal."""
        table = Table(title=self.title, caption=self.note or None, box=box.SIMPLE_HEAD, pad_edge=False)
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
        """The same table as aligned lines, for a log or a pipe."""
        lines = [self.columns, *self.rows]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        return "\n".join([self.title, *(_aligned(line, widths) for line in lines), *([self.note] if self.note else [])])

    def show(self, console: Console) -> None:
        """The one or the other, as the console is a terminal or not."""
        console.print(self.rich() if console.is_terminal else f"{self.plain()}\n", highlight=False, markup=False)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
