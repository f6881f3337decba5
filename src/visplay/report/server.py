"""The live page of a run, served to this machine: `visplay watch`.

The server sends only the page's own files, the values of `run_data.py` and `gallery.py`, and the run's images. It
refuses requests for other host names, so that a foreign page cannot read a run by pointing its name here (DNS
rebinding). The page may load nothing from other hosts (Content-Security-Policy). Only this page may ask the models.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import uvicorn
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import URL, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from visplay.errors import ConfigError, RunError, VisplayError
from visplay.report.gallery import Gallery, Query
from visplay.report.playground import Playground
from visplay.report.run_data import RunView

MOST_BYTES = 20 * 2**20  # of an image's file
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
Q = TypeVar("Q", bound=BaseModel)


class _Image(BaseModel):
    image: str = ""
    side: int = Field(256, ge=32, le=1024)  # pixels


def watch(
    run: Path,
    host: str,
    port: int,
    allowed: Sequence[str],
    tell: Callable[[str], None],
    trust_remote_code: bool = False,
) -> None:
    """Serve the page of `run` until interrupted.

    Args:
        host: address to listen at.
        port: 0 takes a free one.
        allowed: further host names that are accepted, besides those of the loopback and `host`.
        trust_remote_code: run code that comes with the model, for questions to it.
        tell: is called with the page's address when the server accepts connections.
    Raises:
        RunError: there is no run, or the server cannot listen at the address.
        ConfigError: the run's config.yaml cannot be read, or a name of `allowed` is a pattern.
    """
    written = f"[{host}]" if ":" in host else host
    app = make_app(run, (*LOOPBACK, written, *allowed), trust_remote_code)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).lower()
        raise RunError(f"cannot listen at {host} port {port}: {reason}; choose another with --port") from None
    with listening:
        tell(f"http://{written}:{listening.getsockname()[1]}/")
        settings = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=1)
        uvicorn.Server(settings).run(sockets=[listening])


def make_app(run: Path, hosts: Sequence[str], trust_remote_code: bool = False) -> Starlette:
    """The page of `run` as an ASGI application that accepts only the names `hosts`; raises the errors of `RunView`."""
    if any("*" in host for host in hosts):
        raise ConfigError("--allow-host takes whole names, no '*': it would let any page on the web read the run")
    site = _Site(run, trust_remote_code)
    return Starlette(
        routes=[
            Route("/api/run", site.overview),
            Route("/api/gallery", site.read(lambda gallery, asked: gallery.find(_checked(Query, asked)))),
            Route("/api/item", site.read(lambda gallery, asked: gallery.item(asked.get("id", "")))),
            Route("/api/storied", site.read(lambda gallery, _: gallery.storied())),
            Route("/api/story", site.read(lambda gallery, asked: gallery.story(asked.get("image", "")))),
            Route("/api/playground", site.ask, methods=["POST"]),
            Route("/image", site.image),
            Mount("/", StaticFiles(packages=[("visplay.report", "page")], html=True)),
        ],
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=_with_headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(GZipMiddleware, compresslevel=1),
        ],
        exception_handlers={VisplayError: lambda _, error: PlainTextResponse(str(error), 400)},
    )


class _Site:
    """The endpoints. Run, images and models have a lock each, because images and models can take long to open."""

    def __init__(self, run: Path, trust_remote_code: bool) -> None:
        self._view, self._playground = RunView(run), Playground(run, trust_remote_code)
        self._reading, self._drawing, self._asking = Lock(), Lock(), asyncio.Lock()
        self._view.overview()  # reads the questions so far before the first request

    def overview(self, request: Request) -> Response:
        with self._reading:
            tag = f'W/"{self._view.version()}"'
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers={"ETag": tag})
            return JSONResponse(self._view.overview(), headers={"ETag": tag})

    def read(self, work: Callable[[Gallery, QueryParams], Any]) -> Callable[[Request], Response]:
        """An endpoint that returns the result of `work` on the questions."""

        def answer(request: Request) -> Response:
            with self._reading:
                found = work(self._view.gallery, request.query_params)
            if found is None:
                raise HTTPException(404, "there is no such question in this run")
            return JSONResponse(found)

        return answer

    def image(self, request: Request) -> Response:
        wanted = _checked(_Image, request.query_params)
        with self._drawing:
            content = self._view.images.thumbnail(wanted.image, wanted.side)
        if content is None:
            raise HTTPException(404, "there is no such image in this run, or its file is gone")
        return Response(content, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})

    async def ask(self, request: Request) -> Response:
        _check_is_of_this_page(request)
        given = await _body(request)
        if self._asking.locked():
            raise HTTPException(409, "another question is being answered; ask again when it is done")
        async with self._asking:
            return JSONResponse(
                await asyncio.to_thread(self._playground.ask, given.get("image"), given.get("question"))
            )


def _checked(kind: type[Q], asked: QueryParams) -> Q:
    """The query of an address; values of a wrong type are refused."""
    try:
        return kind.model_validate(dict(asked))
    except ValidationError as error:
        first = error.errors()[0]
        raise HTTPException(400, f"{first['loc'][0]}: {first['msg'].lower()}") from None


def _check_is_of_this_page(request: Request) -> None:
    """Refuse what a page of another site sends through the reader's browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    same = origin is not None and URL(origin).netloc == request.url.netloc
    if (origin is not None and not same) or (site != "same-origin" if site else not same):
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
    with suppress(ValueError):
        given = json.loads(content)
        if isinstance(given, dict):
            return given
    raise HTTPException(400, "send a JSON object")


async def _with_headers(request: Request, answer: RequestResponseEndpoint) -> Response:
    """What every answer tells the browser not to do, the refusals included."""
    response = await answer(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-cache")
    return response
