"""No text of a file's name, a server or a model does anything to the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from visplay.cli import terminal as module
from visplay.cli.terminal import say, terminal
from visplay.errors import ConfigError, one_line, visible, visible_lines

HOSTILE = "\x1b]0;owned\x07\x9b31m\rgone\u202e\x08\udcff"


def test_what_cannot_be_printed_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert visible(HOSTILE) == r"\x1b]0;owned\x07\x9b31m\rgone\u202e\x08\udcff"
    assert visible("two\nlines, größe 3 × ✓") == r"two\nlines, größe 3 × ✓"
    assert visible_lines("two\nlines\x1b") == "two\nlines\\x1b"
    assert one_line(ConfigError(f"{HOSTILE}\nx")).isprintable()
    say("first", HOSTILE)
    assert capsys.readouterr().out == f"first\n{visible(HOSTILE)}\n"


def test_the_console_keeps_its_styles_and_cleans_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()

    def colored(**wanted: bool) -> Console:
        return Console(file=written, force_terminal=True, color_system="standard", width=200, **wanted)

    monkeypatch.setattr(module, "Console", colored)
    console = terminal()
    table = Table("[/x]")
    table.add_row(HOSTILE)
    for shown in (HOSTILE, "[/x] [bold]", table):
        console.print(shown, style="red")
    text = written.getvalue()
    assert "\x1b[31m" in text and "[/x] [bold]" in text
    for sign in ("\x1b]", "\x07", "\x9b", "\r", "\u202e", "\x08"):
        assert sign not in text
