"""The live page of a run, served to this machine: `visplay watch`.

The server sends only the page's own files, the values of `run_data.py` and `gallery.py`, and the run's images. It
refuses requests for other host names, so that a foreign page cannot read a run by pointing its name here (DNS
rebinding). The page may load nothing from other hosts (Content-Security-Policy). Only this page may ask the models.
`connections.py` bounds connections. A run that goes away or is damaged meanwhile is told in words.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from mimetypes import guess_type
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import uvicorn
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from visplay.errors import ConfigError, RunError, VisplayError, one_line, visible
from visplay.report.connections import BACKLOG, App, PageProtocol, guarded
from visplay.report.gallery import Gallery, Query
from visplay.report.playground import Playground
from visplay.report.run_data import RunView

MOST_BYTES = 20 * 2**20  # of an image's file
MOST_UPLOADS = 2  # images that are received at once; each takes at most about 4/3 of `MOST_BYTES`
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
Q = TypeVar("Q", bound=BaseModel)
T = TypeVar("T")


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
        settings = uvicorn.Config(
            app,
            http=PageProtocol,
            ws="none",
            lifespan="off",
            log_level="error",
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=1,
        )
        uvicorn.Server(settings).run(sockets=[listening])


def make_app(run: Path, hosts: Sequence[str], trust_remote_code: bool = False) -> App:
    """The page of `run` as an ASGI application that accepts only the names `hosts`; raises the errors of `RunView`."""
    if any("*" in host for host in hosts):
        raise ConfigError("--allow-host takes whole names, no '*': it would let any page on the web read the run")
    site = _Site(run, trust_remote_code)
    page = Starlette(
        routes=[
            Route("/api/run", site.overview),
            Route("/api/gallery", site.read(lambda gallery, asked: gallery.find(_checked(Query, asked)))),
            Route("/api/item", site.read(lambda gallery, asked: gallery.item(asked.get("id", "")))),
            Route("/api/storied", site.read(lambda gallery, _: gallery.storied())),
            Route("/api/story", site.read(lambda gallery, asked: gallery.story(asked.get("image", "")))),
            Route("/api/playground", site.ask, methods=["POST"]),
            Route("/image", site.image),
            *(Route(path, _file(content, kind)) for path, content, kind in _page_files()),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(GZipMiddleware, compresslevel=1),
        ],
        exception_handlers={
            VisplayError: lambda _, error: PlainTextResponse(visible(error), 400),
            ClientDisconnect: lambda _, error: PlainTextResponse("", 400),
        },
    )
    return guarded(page)


def _page_files() -> Iterator[tuple[str, bytes, str]]:
    """Path, content and media type of the page and of the files that it names; nothing else of the folder is served."""
    folder = resources.files("visplay.report") / "page"
    index = (folder / "index.html").read_bytes()
    yield "/", index, "text/html"
    for name in re.findall(r'(?:href|src)="([^"]+)"', index.decode()):
        yield f"/{name}", (folder / name).read_bytes(), guess_type(name)[0] or "application/octet-stream"


def _file(content: bytes, kind: str) -> Callable[[Request], Response]:
    return lambda request: Response(content, media_type=kind)


class _Site:
    """The endpoints. Run, images and models have a lock each, because images and models can take long to open."""

    def __init__(self, run: Path, trust_remote_code: bool) -> None:
        self._run, self._view, self._playground = run, RunView(run), Playground(run, trust_remote_code)
        self._reading, self._drawing, self._asking = Lock(), Lock(), asyncio.Lock()
        self._uploads = 0
        with suppress(HTTPException):
            self._read(self._view.overview)  # reads the questions so far before the first request

    def overview(self, request: Request) -> Response:
        tag = f'W/"{self._read(self._view.version)}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return JSONResponse(self._read(self._view.overview), headers={"ETag": tag})

    def read(self, work: Callable[[Gallery, QueryParams], Any]) -> Callable[[Request], Response]:
        """An endpoint that returns the result of `work` on the questions."""

        def answer(request: Request) -> Response:
            found = self._read(lambda: work(self._view.gallery, request.query_params))
            if found is None:
                raise HTTPException(404, "there is no such question in this run")
            return JSONResponse(found)

        return answer

    def _read(self, work: Callable[[], T]) -> T:
        """The result of `work` on the run's files, in which a user or another program may change anything meanwhile."""
        try:
            with self._reading:
                return work()
        except (HTTPException, VisplayError):
            raise
        except Exception as error:
            if not (self._run / "config.yaml").is_file():
                raise HTTPException(404, f"the run at {visible(self._run)} is gone; nothing can be shown") from None
            raise HTTPException(409, f"the run's files cannot be read, or are damaged: {one_line(error)}") from None

    def image(self, request: Request) -> Response:
        wanted = _checked(_Image, request.query_params)
        with self._drawing:
            try:
                content = self._view.images.thumbnail(wanted.image, wanted.side)
            except Exception:  # Pillow has many errors for the many ways in which a file can be damaged
                content = None
        if content is None:
            raise HTTPException(404, "there is no such image in this run, or its file is gone")
        return Response(content, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})

    async def ask(self, request: Request) -> Response:
        _check_is_of_this_page(request)
        if self._uploads >= MOST_UPLOADS:
            raise HTTPException(503, "other images are being received; ask again later", {"Retry-After": "5"})
        self._uploads += 1
        try:
            given = await _body(request)
        finally:
            self._uploads -= 1
        if self._asking.locked():
            raise HTTPException(409, "another question is being answered; ask again when it is done")
        async with self._asking:
            try:
                said = await asyncio.to_thread(self._playground.ask, given.get("image"), given.get("question"))
            except VisplayError:
                raise
            except Exception as error:  # of a model's libraries, or of files that went away
                raise HTTPException(503, f"the models cannot answer: {one_line(error)}") from None
        return JSONResponse(said)


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
    here = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    same = origin is not None and origin.lower() == here.lower()
    if (origin is not None and not same) or (site != "same-origin" if site else not same):
        raise HTTPException(403, "only the page itself may ask the models")


async def _body(request: Request) -> Mapping[str, Any]:
    """The JSON object sent, which is read no further than `MOST_BYTES` of an image in base64 take."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES * 4 // 3 + 100_000:
            raise HTTPException(413, f"the image is too large: at most {MOST_BYTES // 2**20} MiB")
    with suppress(ValueError, RecursionError):
        given = json.loads(content)
        if isinstance(given, dict):
            return given
    raise HTTPException(400, "send a JSON object")
