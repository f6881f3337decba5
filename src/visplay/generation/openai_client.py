"""An OpenAI-compatible server over HTTP: a wait until it is ready, retries, time limits, one line where it fails.

A caller's `ClientPolicy` holds its limits, the error it raises, and the names of its settings.
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
    """How a server is asked, and what is said where it fails.

    Attributes:
        key_variable: environment variable with the key of a server that asks for one; a setting would be written down.
        wait_s: longest wait for a server that is starting, seconds.
        timeout_s: longest wait for the reply to one request, seconds.
        retries: further tries of a request that got no reply, or 429 or 5xx.
        error: raised with one line that says what the server did and what to do.
        address, model: how the user calls the server's address and the model's name.
        if_absent, if_late, if_gone: what the user can do about a server that never answers, answers too late, goes
            away in the middle.
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
    """One server; its methods raise `policy.error` and nothing else."""

    def __init__(self, url: str, policy: ClientPolicy) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.policy = policy

    def client(self) -> httpx2.AsyncClient:
        """A new client, to be used within one event loop."""
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
        """As `served`, outside of an event loop."""

        async def wait() -> str:
            async with self.client() as client:
                return await self.served(client, wanted)

        return asyncio.run(wait())

    async def served(self, client: httpx2.AsyncClient, wanted: str | None) -> str:
        """The name of the model to ask for, as soon as the server answers: `wanted`, or the first that is served."""
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
            # An adapter names the model it belongs to as its parent.
            names = [model.id for model in _Models.model_validate_json(self.good(reply)).data if not model.parent]
        except ValidationError:
            raise self._strange(reply) from None
        name = wanted or next(iter(names), "")
        if name not in names:
            raise self._error(f"the server at {self.url} serves {names}, not {self.policy.model} '{name}'")
        return name

    async def post(self, client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> httpx2.Response:
        """The reply to a POST, tried again while there is hope."""
        problem = ""
        for attempt in range(self.policy.retries + 1):
            if attempt:
                await asyncio.sleep(pause(attempt))
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
        """The answers to a request for a chat, `body["n"]` of them, in the server's order."""
        reply = await self.post(client, "/v1/chat/completions", body)
        try:
            choices = Chat.model_validate_json(self.good(reply)).choices
        except ValidationError:
            raise self._strange(reply) from None
        if len(choices) != body["n"]:
            got = f"the server at {self.url} gave {len(choices)} answers in place of {body['n']}"
            raise self._error(f"{got}; it must heed `n`")
        return tuple(sorted(choices, key=lambda choice: choice.index))

    def good(self, reply: httpx2.Response) -> bytes:
        """The content of a reply that is no refusal."""
        if reply.status_code != 200:
            raise self._error(f"the server at {self.url} refused a request: {said(reply)}")
        return reply.content

    def _strange(self, reply: httpx2.Response) -> ValueError:
        return self._error(f"{self.url} is no OpenAI-compatible server: {said(reply)}")

    def _error(self, text: str) -> ValueError:
        # A server may repeat the key it refuses.
        key = self._key()
        return self.policy.error(text.replace(key, "***") if key else text)

    def _key(self) -> str | None:
        return os.environ.get(self.policy.key_variable)


async def together(jobs: Mapping[str, Callable[[], Coroutine[Any, Any, T]]], concurrency: int) -> dict[str, T]:
    """What all jobs return, by name; at most `concurrency` are under way. The first that fails ends the others."""
    slots = asyncio.Semaphore(concurrency)

    async def in_turn(job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with slots:
            return await job()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(in_turn(job)) for name, job in jobs.items()}
    except ExceptionGroup as failures:
        # What the others met is the same.
        raise failures.exceptions[0] from None
    return {name: task.result() for name, task in tasks.items()}


def pause(attempt: int) -> float:
    """Seconds before try `attempt` (from 1): twice as long each time, up to a bound, and a random part less."""
    longest = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
    # The system's randomness: what a run draws must not depend on how often a server failed.
    return longest * random.SystemRandom().uniform(0.5, 1.0)


def said(reply: httpx2.Response) -> str:
    """The status of a reply and what it says, in one line."""
    text = reply.text
    with suppress(ValidationError):
        found = _Problem.model_validate_json(reply.content)
        text = (found.error and found.error.message) or found.message or text
    text = " ".join(text.split())
    return f"status {reply.status_code}, {text if len(text) <= 300 else text[:297] + '...'}"


class _TryAgain(Exception):
    """There was no reply, or one that says to come again; the message is what the server did."""


async def _exchange(
    client: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
) -> httpx2.Response:
    try:
        reply = await client.request(method, path, json=body)
    except httpx2.RequestError as error:
        raise _TryAgain(f"went away: {' '.join(str(error).split()) or type(error).__name__}") from None
    if reply.status_code == 429 or reply.status_code >= 500:
        raise _TryAgain(f"keeps failing: {said(reply)}")
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
    """Of the tokens of an answer, in order."""

    content: tuple[Token, ...] | None = None


class Message(BaseModel):
    """What was said."""

    content: str | None = None


class Choice(BaseModel):
    """One answer."""

    index: int
    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Chat(BaseModel):
    """The reply to a request for a chat."""

    choices: tuple[Choice, ...]


class _Error(BaseModel):
    message: str | None = None


class _Problem(_Error):
    error: _Error | None = None
