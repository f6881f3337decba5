"""The terminal of all commands: what files, servers and models are called or say is text there and can do nothing."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from visplay.errors import visible_lines


def terminal() -> Console:
    """A console without markup that writes out every sign that cannot be printed; styles and the live line stay."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.push_render_hook(_Cleaning())
    return console


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print lines on standard output, or `to` another stream, as `terminal` does."""
    print(*map(visible_lines, lines), sep="\n", file=to or sys.stdout)


class _Cleaning(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Clean(each) for each in renderables]


class _Clean:
    """A renderable whose texts are cleaned."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._shown, options):
            yield segment if segment.control else Segment(visible_lines(segment.text), segment.style)
