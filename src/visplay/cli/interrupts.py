"""What Ctrl-C, SIGTERM and SIGHUP do: one line with the command and its directory, and exit status 130, 143 or 129.

The program installs its handlers before it imports anything large. Until a command calls `unwind_from_here` there is
nothing to close, so a signal ends the process at once. From then on it raises `Interrupted`, a `KeyboardInterrupt`, so
that the blocks on its way close trackers, release locks and remove drafts. A second signal ends the process at once.

Left out: the first hundredth of a second, in which Python itself starts.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from visplay.distributed.loopback import RENDEZVOUS

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_MOMENT = 0.1  # seconds; `timeout` sends its signal to the process and to its group, which is one wish
_PLACES = {"evolve": "--out", "eval": "--out", "lab": "--out", "report": "--to", "export": "--to"}


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Handler:
    """The handler of all `SIGNALS`, for the command line `words`."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.unwinds = self.over = False
        self.received: int | None = None
        self._at = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None or self.over:
            if self.over or time.monotonic() - self._at > _ONE_MOMENT:
                os._exit(128 + number)
            return
        self.received, self._at = number, time.monotonic()
        if self.unwinds:
            raise Interrupted(number)
        _say(self.words)
        os._exit(128 + number)


_handler: _Handler | None = None


def install(words: Sequence[str]) -> None:
    """Handle the signals of this process from now on; those that are ignored, as by `nohup`, stay ignored."""
    global _handler
    _handler = _Handler(words)
    sys.unraisablehook = _unraisable
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _handler)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """An interruption inside a finalizer cannot be raised; Python would print it."""
    if received() is None:
        sys.__unraisablehook__(found)


def unwind_from_here() -> None:
    """From now on the command has something to close: a signal raises `Interrupted` where the program is."""
    if _handler is not None:
        _handler.unwinds = True


def received() -> int | None:
    """The signal that ended the command, if one did; an error after it is its consequence."""
    return _handler.received if _handler is not None else None


def end() -> None:
    """The command is over: a signal ends the process without a word."""
    if _handler is not None:
        _handler.over = True


def tell(words: Sequence[str], number: int) -> int:
    """Print the line of an interrupted command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    _say(words)
    return 128 + number


def interrupted_line(words: Sequence[str]) -> str:
    """What was interrupted and how to go on: "visplay evolve: interrupted; continue with visplay evolve --resume …"."""
    from visplay.errors import visible

    verb = next((word for word in words if not word.startswith("-")), "")
    name = " ".join(["visplay", *([verb] if verb else []), *([words[1]] if verb == "lab" and len(words) > 1 else [])])
    return visible(f"{name}: interrupted; {_advice(verb, words)}")


def _advice(verb: str, words: Sequence[str]) -> str:
    place = _place(verb, words)
    if verb == "evolve" and place and os.path.isfile(os.path.join(place, "config.yaml")):
        return f"continue with visplay evolve --resume --out {_quoted(place)}"
    if verb == "evolve":
        return f"no run was begun{f' in {_quoted(place)}' if place else ''}; the same command begins it"
    if verb == "lab" and place:
        return f"the same command continues in {_quoted(place)}"
    if verb == "watch" and place:
        return f"the page of {_quoted(place)} is closed, the run is as it was"
    if place:
        return f"nothing half-written is in {_quoted(place)}; the same command starts over"
    return "the same command starts over"


def _place(verb: str, words: Sequence[str]) -> str | None:
    """The directory or file at hand, read from the command line as it is: it may not be parsed yet."""
    if verb == "watch":
        return next((word for word in words[1:] if os.path.isdir(word)), None)
    flag, found = _PLACES.get(verb), None
    for word, following in zip(words, [*words[1:], None], strict=False):
        name, equals, value = word.partition("=")
        if flag and len(name) > 2 and flag.startswith(name):
            found = value if equals else following
    return found


def _quoted(place: str) -> str:
    from shlex import quote

    return quote(place)


def _say(words: Sequence[str]) -> None:
    """One line on standard error, in one piece; of several processes the launcher speaks, or else the first."""
    if RENDEZVOUS in os.environ or (os.environ.get("RANK", "0") != "0" and os.environ.get("WORLD_SIZE", "1") != "1"):
        return
    with suppress(OSError):  # the terminal is gone
        os.write(2, f"{interrupted_line(words)}\n".encode(errors="backslashreplace"))
