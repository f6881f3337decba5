"""The live page of a run, served to this machine: `visplay watch`.

Nothing but the page's own files, what `reader.py` tells and the run's images is ever sent. Requests for another host
name are refused, so that a page elsewhere cannot read a run by pointing its name here (DNS rebinding); the page may
load nothing from elsewhere (Content-Security-Policy); and models answer to this very page alone.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import URL, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visplay.errors import ConfigError, RunError
from visplay.report.api import Reader
from visplay.report.assets import page_folder
from visplay.report.gallery import Filter, Order
from visplay.report.playground import MOST_BYTES, Busy, CannotAsk, Playground

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SIDES = (32, 1024)  # pixels of an image that may be asked for
Value = TypeVar("Value")


def watch(run: Path, host: str, port: int, allowed: Sequence[str], tell: Callable[[str], None]) -> None:
    """Serve the page of `run` until interrupted.

    Args:
        host: address to listen at.
        port: 0 takes a free one.
        allowed: host names to answer to, beside the loopback's and `host`.
        tell: gets the page's address once connections are taken.
    Raises:
        RunError: there is no run, or the address cannot be had.
        ConfigError: the run's config.yaml cannot be read, or a port or name is none.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port {port}: a port is between 0 and 65535")
    written = f"[{host}]" if ":" in host else host
    app = make_app(run, (*LOOPBACK, written, *allowed))
    with _listening(host, port) as listening:
        tell(f"http://{written}:{listening.getsockname()[1]}/")
        settings = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=1)
        uvicorn.Server(settings).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(f"cannot listen at {host} port {port}: {reason}; choose another with --port") from None


def make_app(run: Path, hosts: Sequence[str]) -> Starlette:
    """The page of `run` as an ASGI application that answers to `hosts` alone.

    Raises:
        RunError, ConfigError: as `Reader`.
    """
    if any("*" in host for host in hosts):
        raise ConfigError("--allow-host takes whole names, no '*': it would let any page on the web read the run")
    site = _Site(run)
    return Starlette(
        routes=[
            Route("/api/run", site.overview),
            Route("/api/gallery", site.gallery),
            Route("/api/item", site.item),
            Route("/api/storied", site.storied),
            Route("/api/story", site.story),
            Route("/api/playground", site.ask, methods=["POST"]),
            Route("/image", site.image),
            Mount("/", StaticFiles(directory=str(page_folder()), html=True)),
        ],
        middleware=[
            Middleware(_Headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(GZipMiddleware, compresslevel=1),
        ],
        exception_handlers={HTTPException: _in_words},
    )


class _Site:
    """The answers: one thread reads the run, one its images, which can take long to open, and one asks the models."""

    def __init__(self, run: Path) -> None:
        self._reading, self._drawing = ThreadPoolExecutor(1, "reading"), ThreadPoolExecutor(1, "drawing")
        self._reader = self._reading.submit(Reader, run).result()
        self._reading.submit(self._reader.overview).result()  # what was asked so far is read before anybody waits
        self._playground = Playground(run)

    async def overview(self, request: Request) -> Response:
        tag = f'W/"{await self._read(self._reader.version)}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return _json(await self._read(self._reader.overview), {"ETag": tag})

    async def gallery(self, request: Request) -> Response:
        asked = request.query_params
        order, start, count = asked.get("order", "-time"), _whole(asked, "start", 0), _whole(asked, "count", 50)
        if order not in get_args(Order):
            raise HTTPException(400, f"order={order}: use one of {', '.join(get_args(Order))}")
        find = partial(self._reader.find, wanted(asked), cast(Order, order), start, count)
        return _json(await self._read(find))

    async def item(self, request: Request) -> Response:
        found = await self._read(partial(self._reader.item, request.query_params.get("id", "")))
        if found is None:
            raise HTTPException(404, "there is no such question in this run")
        return _json(found)

    async def storied(self, request: Request) -> Response:
        return _json(await self._read(self._reader.storied))

    async def story(self, request: Request) -> Response:
        return _json(await self._read(partial(self._reader.story, request.query_params.get("image", ""))))

    async def image(self, request: Request) -> Response:
        image, side = request.query_params.get("image", ""), _whole(request.query_params, "side", 256)
        draw = partial(self._reader.album.thumbnail, image, min(max(side, _SIDES[0]), _SIDES[1]))
        content = await asyncio.get_running_loop().run_in_executor(self._drawing, draw)
        if content is None:
            raise HTTPException(404, "there is no such image in this run, or its file is gone")
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    async def ask(self, request: Request) -> Response:
        _of_this_page(request)
        given = await _body(request)
        try:
            answered = await asyncio.to_thread(self._playground.ask, given.get("image"), given.get("question"))
        except Busy as error:
            raise HTTPException(409, str(error)) from None
        except CannotAsk as error:
            raise HTTPException(400, str(error)) from None
        return _json(answered)

    async def _read(self, work: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)


def wanted(asked: QueryParams) -> Filter:
    """The gallery's filter as an address carries it.

    Raises:
        HTTPException: a value is not of its kind.
    """
    kept = asked.get("kept")
    if kept not in (None, "true", "false"):
        raise HTTPException(400, f"kept={kept}: use true or false")
    return Filter(
        iteration=_whole(asked, "iteration", 0) if "iteration" in asked else None,
        phase=asked.get("phase"),
        type=asked.get("type"),
        least=_share(asked, "least", 0.0),
        most=_share(asked, "most", 1.0),
        kept=None if kept is None else kept == "true",
        gate=asked.get("gate"),
        text=asked.get("text", ""),
        image=asked.get("image"),
    )


def _whole(asked: QueryParams, name: str, default: int) -> int:
    text = asked.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(400, f"{name}={text[:40]}: use a whole number")
    return int(text)


def _share(asked: QueryParams, name: str, default: float) -> float:
    text = asked.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise HTTPException(400, f"{name}={text[:40]}: use a number between 0 and 1")
    return value


def _of_this_page(request: Request) -> None:
    """Refuse what a page of another site sends through the reader's browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    same = site == "same-origin" if site else origin is not None and URL(origin).netloc == request.url.netloc
    if not same or (origin is not None and URL(origin).netloc != request.url.netloc):
        raise HTTPException(403, "only the page itself may ask the models")


async def _body(request: Request) -> Mapping[str, Any]:
    """The JSON object sent, which is read no further than `MOST_BYTES` of an image in base64 take."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise HTTPException(415, "send JSON")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES * 4 // 3 + 100_000:
            raise HTTPException(413, f"the image is too large: at most {MOST_BYTES // 2**20} MiB")
    try:
        given = json.loads(content)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise HTTPException(400, "send a JSON object")
    return given


def _json(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    # ASCII, since what a model wrote may hold halves of surrogate pairs, which no UTF-8 has.
    content = json.dumps(value, allow_nan=False).encode("ascii")
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-cache", **(headers or {})})


async def _in_words(_: Request, error: Exception) -> Response:
    failure = cast(HTTPException, error)
    response = _json({"error": failure.detail}, failure.headers)
    response.status_code = failure.status_code
    return response


class _Headers:
    """What every answer tells the browser not to do, the refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, sending)
