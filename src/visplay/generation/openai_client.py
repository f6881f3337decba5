"""HTTP client of an OpenAI-compatible server, with time limits and retries.

`ClientPolicy` holds the limits, the class of error, and the names of the settings that error messages mention.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

_CONNECT_S = 10.0
_POLL_S = 0.25
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 15.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """Time limits, retries and error messages of a client.

    Attributes:
        key_variable: environment variable with the server's API key, if it needs one. It is not a setting, because
            settings are written to files.
        wait_s: longest wait for a server that is starting, seconds.
        timeout_s: longest wait for the reply to one request, seconds.
        retries: further tries of a request that got no reply, or status 429 or 5xx.
        error: class of all errors; its message is one line.
        address, model: names of the settings for the server's address and the model.
        if_absent, if_late, if_gone: what the user can do if the server never answers, answers too late, or
            disconnects.
    """

    key_variable: str
    wait_s: float
    timeout_s: float
    retries: int
    error: type[ValueError]
    address: str
    model: str
    if_absent: str
    if_late: str
    if_gone: str


class Endpoint:
    """An OpenAI-compatible server; its methods raise only `policy.error`."""

    def __init__(self, url: str, policy: ClientPolicy) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.policy = policy

    def client(self) -> httpx2.AsyncClient:
        """A new HTTP client, for use in one event loop."""
        key = self._key()
        try:
            return httpx2.AsyncClient(
                base_url=self.url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx2.Timeout(None, connect=_CONNECT_S),
                limits=httpx2.Limits(),
            )
        except httpx2.InvalidURL as error:
            raise self._error(f"{self.policy.address} '{self.url}' is no address: {error}") from None

    def wait(self, wanted: str | None) -> str:
        """As `wait_for_model`, outside of an event loop."""

        async def wait() -> str:
            async with self.client() as client:
                return await self.wait_for_model(client, wanted)

        return asyncio.run(wait())

    async def wait_for_model(self, client: httpx2.AsyncClient, wanted: str | None) -> str:
        """Wait until the server answers; returns the name of the model to use: `wanted`, or the first served model."""
        problem = "accepts connections and does not answer"
        try:
            async with asyncio.timeout(self.policy.wait_s):
                while True:
                    try:
                        reply = await _exchange(client, "GET", "/v1/models")
                        break
                    except _TryAgain as error:
                        problem = str(error)
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            waited = f"no server is ready at {self.url} after {self.policy.wait_s:g} s (it {problem})"
            raise self._error(f"{waited}; {self.policy.if_absent}") from None
        try:
            served = _Models.model_validate_json(self.checked_content(reply)).data
        except ValidationError:
            raise self._not_compatible(reply) from None
        # LoRA adapters are listed too; their parent is the model.
        names = [model.id for model in served if not model.parent]
        name = wanted or next(iter(names), "")
        if name not in names:
            raise self._error(f"the server at {self.url} serves {names}, not {self.policy.model} '{name}'")
        return name

    async def post(self, client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> httpx2.Response:
        """The reply to a POST request, with retries."""
        problem = ""
        for attempt in range(self.policy.retries + 1):
            if attempt:
                await asyncio.sleep(backoff_seconds(attempt))
            try:
                async with asyncio.timeout(self.policy.timeout_s):
                    return await _exchange(client, "POST", path, body)
            except _TryAgain as error:
                problem = str(error)
            except TimeoutError:
                late = f"the server at {self.url} gave no answer within {self.policy.timeout_s:g} s"
                raise self._error(f"{late}; {self.policy.if_late}") from None
        tries = "1 try" if self.policy.retries == 0 else f"{self.policy.retries + 1} tries"
        raise self._error(f"the server at {self.url} {problem} ({tries}); {self.policy.if_gone}")

    async def chat(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> tuple[Choice, ...]:
        """The `body["n"]` answers to a chat request, by index."""
        reply = await self.post(client, "/v1/chat/completions", body)
        try:
            choices = Chat.model_validate_json(self.checked_content(reply)).choices
        except ValidationError:
            raise self._not_compatible(reply) from None
        if len(choices) != body["n"]:
            got = f"the server at {self.url} gave {len(choices)} answers instead of {body['n']}"
            raise self._error(f"{got}; it must support `n`")
        return tuple(sorted(choices, key=lambda choice: choice.index))

    def checked_content(self, reply: httpx2.Response) -> bytes:
        """The content of a reply with status 200; any other status is an error."""
        if reply.status_code != 200:
            raise self._error(f"the server at {self.url} refused a request: {describe_reply(reply)}")
        return reply.content

    def _not_compatible(self, reply: httpx2.Response) -> ValueError:
        return self._error(f"{self.url} is no OpenAI-compatible server: {describe_reply(reply)}")

    def _error(self, text: str) -> ValueError:
        # A server may quote the key that it rejects.
        key = self._key()
        return self.policy.error(text.replace(key, "***") if key else text)

    def _key(self) -> str | None:
        return os.environ.get(self.policy.key_variable)


async def gather_limited(jobs: Mapping[str, Callable[[], Coroutine[Any, Any, T]]], concurrency: int) -> dict[str, T]:
    """Results of all jobs by name; at most `concurrency` jobs run at a time. The first error cancels the others."""
    slots = asyncio.Semaphore(concurrency)

    async def limited(job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with slots:
            return await job()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(limited(job)) for name, job in jobs.items()}
    except ExceptionGroup as failures:
        # The other jobs usually fail for the same reason.
        raise failures.exceptions[0] from None
    return {name: task.result() for name, task in tasks.items()}


def backoff_seconds(attempt: int) -> float:
    """Seconds to wait before retry `attempt` (from 1): exponential, bounded, and shortened by up to half at random."""
    longest = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
    # Not from the run's random streams, which must not depend on how often a server failed.
    return longest * random.SystemRandom().uniform(0.5, 1.0)


def describe_reply(reply: httpx2.Response) -> str:
    """The status and the message of a reply, in one line."""
    text = reply.text
    with suppress(ValidationError):
        found = _Problem.model_validate_json(reply.content)
        text = (found.error and found.error.message) or found.message or text
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
    data: tuple[_Served, ...]


class Token(BaseModel):
    """A token of an answer; natural-log probability."""

    logprob: float


class Logprobs(BaseModel):
    """The tokens of an answer, in order."""

    content: tuple[Token, ...] | None = None


class Message(BaseModel):
    """The text of an answer."""

    content: str | None = None


class Choice(BaseModel):
    """An answer."""

    index: int
    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Chat(BaseModel):
    """The reply to a chat request."""

    choices: tuple[Choice, ...]


class _Error(BaseModel):
    message: str | None = None


class _Problem(_Error):
    error: _Error | None = None
