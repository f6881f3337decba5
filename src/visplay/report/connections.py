"""Bounds of the page's connections: how many are open, how long each may wait, and what every answer tells the browser.

uvicorn answers a malformed request itself and gives a connection that sends nothing, or half a request, all the time in
the world. `PageProtocol` closes such connections, and answers with the page's headers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import MutableHeaders
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 200
BACKLOG = 64  # connections that the system accepts before this process does
HEAD_S = 15.0  # seconds without a whole head of a request
BODY_S = 120.0  # seconds for the rest of a request
STALLED_S = 60.0  # seconds in which a reader takes nothing of an answer
LINGER_S = 5.0  # seconds for which the rest of a refused request is read, so that its sender sees the answer
_TICK_S = 1.0

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class PageProtocol(H11Protocol):
    """A connection that does not outlast its bounds."""

    _since = 0.0  # when what it waits for began
    _phase: object = None
    _unsent = 0  # bytes of answers that its reader has not taken
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = time.monotonic()
        self._timer = self.loop.call_later(_TICK_S, self._look)
        if not self._makes_room():
            self._refuse("503 Service Unavailable", "too many connections; ask again later", "Retry-After: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
        else:
            self._refuse("400 Bad Request", msg)

    @property
    def waits(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _makes_room(self) -> bool:
        """If too many are open, close the one that has waited longest without a request; False if all have one."""
        open_ones = [each for each in self.connections if isinstance(each, PageProtocol)]
        # One that was told to close is among the connections until the next turn of the event loop.
        others = [each for each in open_ones if each is not self and not each.transport.is_closing()]
        if len(others) < MOST_CONNECTIONS:
            return True
        waiting = [each for each in others if each.waits]
        if waiting:
            min(waiting, key=lambda each: each._since).transport.abort()
        return bool(waiting)

    def _refuse(self, status: str, words: str, *lines: str) -> None:
        """An answer without a request, and the end of the connection."""
        named = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        frame = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(words)}\r\nConnection: close\r\n"
        self.transport.write(f"HTTP/1.1 {status}\r\n{named}{''.join(lines)}{frame}\r\n{words}".encode())
        self.transport.close()

    def _look(self) -> None:
        """Close the connection if what it waits for takes too long."""
        now, unsent = time.monotonic(), self.transport.get_write_buffer_size()
        # What is under way: a request by its cycle, its body or its answer.
        phase = (self.cycle, self.waits, self.cycle is not None and self.cycle.more_body)
        if phase != self._phase or unsent < self._unsent:
            self._phase, self._since = phase, now
        self._unsent = unsent
        if now - self._since > self._limit(unsent):
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(_TICK_S, self._look)

    def _limit(self, unsent: int) -> float:
        """Seconds for which the present state may last: a model may take its time, a sender or reader may not."""
        if unsent:
            return STALLED_S
        if self.waits:
            return HEAD_S
        return BODY_S if self.cycle.more_body else float("inf")


def guarded(app: App) -> App:
    """`app`, whose every answer has `HEADERS`, errors included.

    A refusal can come before the request has arrived. The rest is then read for a while and thrown away: if the
    connection were closed at once, its sender would often see a reset and not the answer.
    """

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        names = {name for name, _ in scope["headers"]}
        unread = bool(names & {b"content-length", b"transfer-encoding"})

        async def received() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-cache")
            elif unread and not message.get("more_body", False):
                await send({**message, "more_body": True})
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        while unread:
                            await received()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await app(scope, received, sent)

    return answer
