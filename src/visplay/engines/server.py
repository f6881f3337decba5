"""Completions from an OpenAI-compatible server (vLLM, SGLang) that holds the same base model.

A prompt on a picture is one HTTP request, at most `concurrency` of them are under way. The server applies the chat
template and makes batches. An adapter is handed over whenever it changed: written to a folder that the server
reads too, and loaded by vLLM's runtime endpoints. The size of pictures is bounded by the server's own settings.

Left out: streaming, adapters on SGLang (other endpoints, other names), callers inside a running event loop.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import random
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx2
from pydantic import BaseModel, ValidationError

from visplay.config import Sampling, ServerSettings
from visplay.engines.engine import EngineError, by_picture
from visplay.engines.sampling import request_seed
from visplay.models.policy import FullPolicy, LoraPolicy, Policy
from visplay.records import Completion, Picture, Request

KEY_VARIABLE = "VISPLAY_SERVER_KEY"
"""Environment variable with the key of a server that asks for one; a setting would be written into the run."""

_CONNECT_S = 10.0
_POLL_S = 0.25
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 15.0
_ENCODED_PICTURES = 128
_SEED_BITS = 31  # which every server takes


class ServerError(EngineError):
    """A server cannot be used, or went away; the message is one line that says which, why and what to do."""


class ServerEngine:
    """Samples from a server: its base for a frozen policy, the policy's adapter for LoRA.

    What it gives is for votes and evaluation, never to be trained on: a trainer needs the sampler's own tokens, and
    a server sends text. `token_ids` are that text encoded anew. `logprobs` are the server's, one a token (vLLM: at
    temperature 1 and before any cut), or their mean for each token where the two disagree on how many there are.
    The same seed and requests give the same answers as far as the server's own arithmetic repeats itself.

    Args:
        seed: of the run; each request's seed is derived from it and the request's id.
    Raises:
        ServerError: no server is set, or it could not follow the policy's weights.
    """

    def __init__(self, policy: Policy, seed: int, settings: ServerSettings) -> None:
        if settings.url is None:
            raise ServerError("server.url is missing; name the server, such as http://localhost:8000")
        if isinstance(policy, FullPolicy):
            raise ServerError("a server cannot follow weights that are trained in full; choose tune: lora")
        if isinstance(policy, LoraPolicy) and settings.adapters is None:
            raise ServerError("server.adapters is missing; name a folder that the server reads by the same path")
        self.policy = policy
        self.seed = seed
        self.settings = settings
        self.url = settings.url.rstrip("/").removesuffix("/v1")
        self._base: str | None = None
        self._adapter: _Adapter | None = None
        # Names of adapters must differ from those of other runs, and of earlier sittings of this one.
        self._tag = secrets.token_hex(4)

    def wait(self) -> None:
        """Wait for the server, at most `wait_s` seconds; `generate` does so too, when it is first called.

        Raises:
            ServerError: it did not answer in time, or does not serve `model`.
        """
        asyncio.run(self._wait())

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`.

        Raises:
            ServerError: the server went away, refused a request, or took longer than `timeout_s`.
            OSError: a picture cannot be read.
        """
        found = asyncio.run(self._generate(by_picture(requests), sampling))
        return {request.id: found[request.id] for request in requests}

    def figures(self) -> dict[str, float]:
        """See `Engine.figures`: nothing of it is trained on."""
        return {}

    async def _wait(self) -> None:
        async with self._client() as client:
            self._base = await self._served(client)

    async def _generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        async with self._client() as client:
            model = await self._model(client)
            slots = asyncio.Semaphore(self.settings.concurrency)

            async def complete(request: Request) -> tuple[Completion, ...]:
                async with slots:
                    body = self._body(request, sampling, model)
                    reply = await self._ask(client, "/v1/chat/completions", body)
                    choices = self._choices(reply, body["n"])
                    choices *= request.n // len(choices)  # one greedy answer stands for all
                    return tuple(self._completion(request, index, choice) for index, choice in enumerate(choices))

            try:
                async with asyncio.TaskGroup() as group:
                    tasks = {r.id: group.create_task(complete(r)) for r in requests}
            except ExceptionGroup as failures:
                # The first ends the others; what they met is the same.
                raise failures.exceptions[0] from None
        return {request.id: tasks[request.id].result() for request in requests}

    def _client(self) -> httpx2.AsyncClient:
        key = os.environ.get(KEY_VARIABLE)
        try:
            return httpx2.AsyncClient(
                base_url=self.url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx2.Timeout(None, connect=_CONNECT_S),
                limits=httpx2.Limits(),
            )
        except httpx2.InvalidURL as error:
            raise ServerError(f"server.url '{self.url}' is no address: {error}") from None

    async def _served(self, client: httpx2.AsyncClient) -> str:
        """The name of the base, as soon as the server answers."""
        problem = "accepts connections and does not answer"
        try:
            async with asyncio.timeout(self.settings.wait_s):
                while True:
                    try:
                        reply = await _exchange(client, "GET", "/v1/models")
                        break
                    except _TryAgain as error:
                        problem = str(error)
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            waited = f"no server is ready at {self.url} after {self.settings.wait_s:g} s (it {problem})"
            raise ServerError(f"{waited}; start it, or raise server.wait_s") from None
        try:
            # An adapter names the model it belongs to as its parent.
            names = [model.id for model in _Models.model_validate_json(_good(reply, self.url)).data if not model.parent]
        except ValidationError:
            raise ServerError(f"{self.url} is no OpenAI-compatible server: {_said(reply)}") from None
        wanted = self.settings.model or next(iter(names), "")
        if wanted not in names:
            raise ServerError(f"the server at {self.url} serves {names}, not server.model '{wanted}'")
        return wanted

    async def _model(self, client: httpx2.AsyncClient) -> str:
        """The name to ask for: the base, or the adapter as it stands now."""
        if self._base is None:
            self._base = await self._served(client)
        if not isinstance(self.policy, LoraPolicy):
            return self._base
        previous = self._adapter
        if previous is None or previous.version != self.policy.version:
            self._adapter = await self._hand_over(client, self.policy)
            if previous:
                # Where it is no longer known, as after a restart, there is nothing to take away.
                await self._ask(client, "/v1/unload_lora_adapter", {"lora_name": previous.folder.name})
                shutil.rmtree(previous.folder, ignore_errors=True)
        assert self._adapter is not None
        return self._adapter.folder.name

    async def _hand_over(self, client: httpx2.AsyncClient, policy: LoraPolicy) -> _Adapter:
        assert self.settings.adapters is not None
        version = policy.version
        folder = self.settings.adapters.resolve() / f"{policy.role}-{self._tag}-{version}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            policy.save(folder)
        except OSError as error:
            raise ServerError(f"cannot write an adapter to server.adapters: {error}") from None
        wanted = {"lora_name": folder.name, "lora_path": str(folder)}
        reply = await self._ask(client, "/v1/load_lora_adapter", wanted)
        # The name is ours alone, so it was loaded by an earlier try whose reply got lost.
        if reply.status_code != 200 and "already been loaded" not in reply.text:
            raise ServerError(
                f"the server at {self.url} loads no adapter from {folder}: {_said(reply)}; it must see that folder, "
                "and run with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            )
        return _Adapter(version, folder)

    async def _ask(self, client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> httpx2.Response:
        """The reply to a POST, tried again while there is hope."""
        problem = ""
        for attempt in range(self.settings.retries + 1):
            if attempt:
                await asyncio.sleep(pause(attempt))
            try:
                async with asyncio.timeout(self.settings.timeout_s):
                    return await _exchange(client, "POST", path, body)
            except _TryAgain as error:
                problem = str(error)
            except TimeoutError:
                late = f"the server at {self.url} gave no answer within {self.settings.timeout_s:g} s"
                raise ServerError(f"{late}; raise server.timeout_s, or lower server.concurrency") from None
        tries = "1 try" if self.settings.retries == 0 else f"{self.settings.retries + 1} tries"
        raise ServerError(
            f"the server at {self.url} {problem} ({tries}); start it again, then a run goes on with --resume"
        )

    def _body(self, request: Request, sampling: Sampling, model: str) -> dict[str, Any]:
        greedy = request.greedy or sampling.temperature == 0
        vlm = self.policy.vlm
        images = [{"type": "image_url", "image_url": {"url": data_url(part)}} for part in request.picture.parts]
        # As `VLM.encode` does, and for the same reason.
        text = vlm.without_markup(request.prompt)
        return {
            "model": model,
            "messages": [{"role": "user", "content": [*images, {"type": "text", "text": text}]}],
            "n": 1 if greedy else request.n,  # vLLM refuses to give one answer several times
            "temperature": 0.0 if greedy else sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,  # SGLang refuses 0
            # A server would take these from the model's generation_config.json.
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "max_tokens": sampling.max_tokens or vlm.max_new_tokens,
            "seed": request_seed(self.seed, request.id, _SEED_BITS),
            "logprobs": True,
        }

    def _choices(self, reply: httpx2.Response, n: int) -> tuple[_Choice, ...]:
        """The answers of a reply, `n` of them, in the server's order."""
        try:
            choices = _Chat.model_validate_json(_good(reply, self.url)).choices
        except ValidationError:
            raise ServerError(f"{self.url} is no OpenAI-compatible server: {_said(reply)}") from None
        if len(choices) != n:
            raise ServerError(f"the server at {self.url} gave {len(choices)} answers in place of {n}; it must heed `n`")
        return tuple(sorted(choices, key=lambda choice: choice.index))

    def _completion(self, request: Request, index: int, choice: _Choice) -> Completion:
        text = choice.message.content or ""
        finished = choice.finish_reason == "stop"
        given = [token.logprob for token in (choice.logprobs and choice.logprobs.content) or ()]
        if text and not given:
            raise ServerError(f"the server at {self.url} gives no log-probabilities; let it answer to `logprobs`")
        tokenizer = self.policy.vlm.tokenizer
        ids = tuple(int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"])
        if finished and given:
            ids += (tokenizer.eos_token_id or self.policy.vlm.eos_ids[0],)
        logprobs = tuple(given) if len(given) == len(ids) else (fmean(given),) * len(ids)
        return Completion(request.id, index, ids, logprobs, text, finished)


@lru_cache(maxsize=_ENCODED_PICTURES)
def data_url(picture: Picture) -> str:
    """A picture, upright and in 8-bit RGB, as a PNG in a data URL: not a pixel changes on the way.

    Raises:
        OSError: it cannot be read.
    """
    buffer = io.BytesIO()
    picture.load().save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def pause(attempt: int) -> float:
    """Seconds before try `attempt` (from 1): twice as long each time, up to a bound, and a random part less."""
    longest = min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
    # The system's randomness: what a run draws must not depend on how often a server failed.
    return longest * random.SystemRandom().uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class _Adapter:
    """An adapter that the server has loaded; it is named as its folder is."""

    version: int
    folder: Path


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
        raise _TryAgain(f"keeps failing: {_said(reply)}")
    return reply


def _good(reply: httpx2.Response, url: str) -> bytes:
    """The content of a reply that is no refusal."""
    if reply.status_code != 200:
        raise ServerError(f"the server at {url} refused a request: {_said(reply)}")
    return reply.content


def _said(reply: httpx2.Response) -> str:
    text = reply.text
    with suppress(ValidationError):
        found = _Problem.model_validate_json(reply.content)
        text = (found.error and found.error.message) or found.message or text
    text = " ".join(text.split())
    return f"status {reply.status_code}, {text if len(text) <= 300 else text[:297] + '...'}"


class _Served(BaseModel):
    id: str
    parent: str | None = None


class _Models(BaseModel):
    data: tuple[_Served, ...]


class _Token(BaseModel):
    logprob: float


class _Logprobs(BaseModel):
    content: tuple[_Token, ...] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    index: int
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Chat(BaseModel):
    choices: tuple[_Choice, ...]


class _Error(BaseModel):
    message: str | None = None


class _Problem(_Error):
    error: _Error | None = None
