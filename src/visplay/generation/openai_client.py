"""HTTP client of an OpenAI-compatible server, with time limits and retries."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import httpx2
from pydantic import AliasChoices, AliasPath, BaseModel, Field, ValidationError

from visplay.errors import VisplayError, did_you_mean
from visplay.generation.settings import EndpointSettings

_CONNECT_S = 10.0
_POLL_S = 0.25
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 15.0

Item = TypeVar("Item")
Result = TypeVar("Result")
Reply = TypeVar("Reply", bound=BaseModel)


class Endpoint:
    """An OpenAI-compatible server; its methods raise only `settings.error`."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self.url = settings.url.rstrip("/").removesuffix("/v1")

    def run(self, job: Callable[[httpx2.AsyncClient], Awaitable[Result]]) -> Result:
        """The result of `job` with a new HTTP client, in an event loop of its own."""

        async def run() -> Result:
            async with self._client() as client:
                return await job(client)

        return asyncio.run(run())

    def map(self, job: Callable[[httpx2.AsyncClient, Item], Awaitable[Result]], items: Sequence[Item]) -> list[Result]:
        """The result of `job` for every item, in order; at most `settings.concurrency` jobs run at a time."""

        async def run(client: httpx2.AsyncClient) -> list[Result]:
            slots = asyncio.Semaphore(self.settings.concurrency)

            async def limited(item: Item) -> Result:
                async with slots:
                    return await job(client, item)

            # The first error ends the event loop, and with it the other jobs, which usually fail for the same reason.
            return await asyncio.gather(*(limited(item) for item in items))

        return self.run(run)

    def wait(self) -> str:
        """Wait until the server answers; returns the model to use: `settings.model`, or the first served model."""
        reply = self.run(self._first_reply)
        # LoRA adapters are listed too; their parent is the model.
        names = [model.id for model in self._read(_Models, reply).data if not model.parent]
        name = self.settings.model or next(iter(names), "")
        if name not in names:
            raise self.error(f"serves {names}, not {self.settings.model_name} '{name}'{did_you_mean(name, names)}")
        return name

    async def _first_reply(self, client: httpx2.AsyncClient) -> httpx2.Response:
        problem = "accepts connections and does not answer"
        try:
            async with asyncio.timeout(self.settings.wait_s):
                while True:
                    try:
                        return await _exchange(client, "GET", "/v1/models")
                    except _TryAgain as error:
                        problem = str(error)
                        await asyncio.sleep(_POLL_S)
        except TimeoutError:
            waited = f"is not ready after {self.settings.wait_s:g} s (it {problem})"
            raise self.error(f"{waited}; {self.settings.if_absent}") from None

    async def post(self, client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> httpx2.Response:
        """The reply to a POST request, which is sent again after no reply, status 429 or 5xx."""
        tries = self.settings.retries + 1
        problem = ""
        for attempt in range(tries):
            if attempt:
                await asyncio.sleep(backoff_seconds(attempt))
            try:
                async with asyncio.timeout(self.settings.timeout_s):
                    return await _exchange(client, "POST", path, body)
            except _TryAgain as error:
                problem = str(error)
            except TimeoutError:
                late = f"gave no answer within {self.settings.timeout_s:g} s"
                raise self.error(f"{late}; {self.settings.if_late}") from None
        raise self.error(f"{problem} ({tries} {'tries' if tries > 1 else 'try'}); {self.settings.if_gone}")

    async def chat(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> list[Choice]:
        """The `body["n"]` answers to a chat request, by index."""
        choices = self._read(_Chat, await self.post(client, "/v1/chat/completions", body)).choices
        if len(choices) != body["n"]:
            raise self.error(f"gave {len(choices)} answers instead of {body['n']}; it must support `n`")
        return sorted(choices, key=lambda choice: choice.index)

    def _client(self) -> httpx2.AsyncClient:
        key = self._key()
        # The library would quote the key in its error.
        if not (key.isascii() and key.isprintable()):
            raise self.error(f"cannot be asked: {self.settings.key_variable} has characters that no key has")
        try:
            return httpx2.AsyncClient(
                base_url=self.url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx2.Timeout(None, connect=_CONNECT_S),
                limits=httpx2.Limits(),
            )
        except httpx2.InvalidURL as error:
            raise self.error(f"has no valid address: {error}") from None

    def _read(self, kind: type[Reply], reply: httpx2.Response) -> Reply:
        if reply.status_code != 200:
            raise self.error(f"refused a request: {describe_reply(reply)}")
        try:
            return kind.model_validate_json(reply.content)
        except ValidationError:
            raise self.error(f"is no OpenAI-compatible server: {describe_reply(reply)}") from None

    def error(self, problem: str) -> VisplayError:
        """An error of this server; the API key, which a server may quote, is not shown."""
        text = f"the server at {self.url} {problem}"
        key = self._key()
        return self.settings.error(text.replace(key, "***") if key else text)

    def _key(self) -> str:
        """The API key, without the end of a line that a file of variables may leave; empty without one."""
        return os.environ.get(self.settings.key_variable, "").strip()


def backoff_seconds(attempt: int) -> float:
    """Seconds to wait before retry `attempt` (from 1): exponential, bounded, and shortened by up to half at random."""
    longest = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
    # Not from the run's random streams, which must not depend on how often a server failed.
    return longest * random.SystemRandom().uniform(0.5, 1.0)


def describe_reply(reply: httpx2.Response) -> str:
    """The status and the message of a reply, in one line."""
    text = reply.text
    with suppress(ValueError, TypeError, AttributeError, KeyError, RecursionError):  # not JSON, or of another shape
        found = reply.json()
        text = str(found.get("error", found)["message"])
    text = " ".join(text.split())
    return f"status {reply.status_code}, {text if len(text) <= 300 else text[:297] + '...'}"


class _TryAgain(Exception):
    """No reply, or a reply with status 429 or 5xx; the message says what the server did."""


async def _exchange(
    client: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
) -> httpx2.Response:
    try:
        reply = await client.request(method, path, json=body)
    except httpx2.RequestError as error:
        raise _TryAgain(f"went away: {' '.join(str(error).split()) or type(error).__name__}") from None
    if reply.status_code == 429 or reply.status_code >= 500:
        raise _TryAgain(f"keeps failing: {describe_reply(reply)}")
    return reply


class _Served(BaseModel):
    id: str
    parent: str | None = None


class _Models(BaseModel):
    data: list[_Served]


class _Token(BaseModel):
    logprob: float


class Choice(BaseModel):
    """An answer; `tokens` have natural-log probabilities, and are None if the server gives none.

    `reasoning` is the thought if the server cuts it off, else None.
    """

    index: int
    text: str | None = Field(None, validation_alias=AliasPath("message", "content"))
    reasoning: str | None = Field(
        None,
        validation_alias=AliasChoices(AliasPath("message", "reasoning_content"), AliasPath("message", "reasoning")),
    )
    finish_reason: str | None = None
    tokens: list[_Token] | None = Field(None, validation_alias=AliasPath("logprobs", "content"))


class _Chat(BaseModel):
    choices: list[Choice]
