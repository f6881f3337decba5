"""Completions from an OpenAI-compatible server (vLLM, SGLang) of the same base model.

Each prompt is one HTTP request; at most `concurrency` requests run at a time. The server applies the chat template,
batches the requests, and limits the size of images by its own settings. When an adapter has changed, the engine writes
it to a folder that the server can read, and the server loads it by vLLM's runtime endpoint.

Left out: streaming, adapters on SGLang (its endpoints and names differ), callers inside a running event loop.
"""

from __future__ import annotations

import asyncio
import base64
import io
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx2

from visplay.errors import ServerError
from visplay.generation.batching import grouped_by_image
from visplay.generation.openai_client import Choice, ClientPolicy, Endpoint, describe_reply, gather_limited
from visplay.generation.sampling import request_seed
from visplay.generation.settings import ServerSettings
from visplay.interfaces.engine import Sampling
from visplay.models.policy import FullPolicy, LoraPolicy, Policy
from visplay.types import Completion, ImageRef, Request

KEY_VARIABLE = "VISPLAY_SERVER_KEY"
"""Environment variable with the server's API key. It is not a setting, because settings are written into the run."""

_CACHED_DATA_URLS = 128
_SEED_BITS = 31  # every server accepts seeds of this size
_UNLOAD_TIMEOUT_S = 10.0


class ServerEngine:
    """Samples from a server: from its base model for a frozen policy, from the policy's adapter for LoRA.

    The completions are for votes and evaluation and cannot be trained on: training needs the sampled tokens, and a
    server sends text. `token_ids` are the tokens of that text. `logprobs` are the server's (vLLM: at temperature 1 and
    before truncation); if their number differs from that of `token_ids`, each token gets their mean. The same seed and
    requests give the same answers as far as the server is deterministic.

    Args:
        seed: the run's seed; the seed of each request is derived from it and the request's id.
    Raises:
        ServerError: a server cannot have the policy's weights.
    """

    def __init__(self, policy: Policy, seed: int, settings: ServerSettings) -> None:
        self._server = _endpoint(settings)
        if isinstance(policy, FullPolicy):
            raise ServerError("a server cannot follow weights that are trained in full; choose tune: lora")
        if isinstance(policy, LoraPolicy) and settings.adapters is None:
            raise ServerError("vote_engine.adapters is missing; name a folder that the server reads by the same path")
        self.policy = policy
        self.seed = seed
        self.settings = settings
        self.url = self._server.url
        self._base: str | None = None
        self._adapter: _Adapter | None = None
        # Distinguishes this engine's adapters on the server from those of other runs, and of this run before a resume.
        self._tag = secrets.token_hex(4)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`.

        Raises:
            ServerError: the server disconnected, refused a request, or took longer than `timeout_s`.
            OSError: an image cannot be read.
        """
        found = asyncio.run(self._generate(grouped_by_image(requests), sampling))
        return {request.id: found[request.id] for request in requests}

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: none, because the completions are not trained on."""
        return {}

    def close(self) -> None:
        """Unload the last adapter from the server, if it answers, and delete the adapter's folder."""
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            with suppress(ServerError, TimeoutError):
                asyncio.run(self._unload(adapter))
            shutil.rmtree(adapter.folder, ignore_errors=True)

    async def _unload(self, adapter: _Adapter) -> None:
        async with asyncio.timeout(_UNLOAD_TIMEOUT_S), self._server.client() as client:
            await self._server.post(client, "/v1/unload_lora_adapter", {"lora_name": adapter.folder.name})

    async def _generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        async with self._server.client() as client:
            model = await self._model(client)

            async def complete(request: Request) -> tuple[Completion, ...]:
                choices = await self._server.chat(client, self._body(request, sampling, model))
                choices *= request.n // len(choices)  # all greedy answers are equal
                return tuple(self._completion(request, index, choice) for index, choice in enumerate(choices))

            jobs = {request.id: partial(complete, request) for request in grouped_by_image(requests)}
            found = await gather_limited(jobs, self.settings.concurrency)
        return {request.id: found[request.id] for request in requests}

    async def _model(self, client: httpx2.AsyncClient) -> str:
        """The model name for requests: the base, or the policy's current adapter, which is uploaded if it changed."""
        if self._base is None:
            self._base = await self._server.wait_for_model(client, self.settings.model)
        if not isinstance(self.policy, LoraPolicy):
            return self._base
        previous = self._adapter
        if previous is None or previous.version != self.policy.version:
            self._adapter = await self._upload(client, self.policy)
            if previous:
                # A server that does not know the adapter, as after a restart, needs no unloading.
                await self._server.post(client, "/v1/unload_lora_adapter", {"lora_name": previous.folder.name})
                shutil.rmtree(previous.folder, ignore_errors=True)
        else:
            # A server that was restarted since then has lost the adapter.
            await self._load(client, previous.folder)
        assert self._adapter is not None
        return self._adapter.folder.name

    async def _upload(self, client: httpx2.AsyncClient, policy: LoraPolicy) -> _Adapter:
        assert self.settings.adapters is not None
        version = policy.version
        folder = self.settings.adapters.resolve() / f"{policy.role}-{self._tag}-{version}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            policy.save(folder)
        except OSError as error:
            raise ServerError(f"cannot write an adapter to vote_engine.adapters: {error}") from None
        await self._load(client, folder)
        return _Adapter(version, folder)

    async def _load(self, client: httpx2.AsyncClient, folder: Path) -> None:
        """Make the server load an adapter, unless it has loaded it already."""
        body = {"lora_name": folder.name, "lora_path": str(folder)}
        reply = await self._server.post(client, "/v1/load_lora_adapter", body)
        # The name is unique, so "already loaded" means that an earlier request succeeded and its reply was lost.
        if reply.status_code != 200 and "already been loaded" not in reply.text:
            raise ServerError(
                f"the server at {self.url} loads no adapter from {folder}: {describe_reply(reply)}; it must see that "
                "folder, and run with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            )

    def _body(self, request: Request, sampling: Sampling, model: str) -> dict[str, Any]:
        greedy = request.greedy or sampling.temperature == 0
        vlm = self.policy.vlm
        images = [{"type": "image_url", "image_url": {"url": data_url(part)}} for part in request.image.parts]
        text = vlm.without_markup(request.prompt)  # as `VLM.encode` does
        return {
            "model": model,
            "messages": [{"role": "user", "content": [*images, {"type": "text", "text": text}]}],
            "n": 1 if greedy else request.n,  # vLLM refuses n > 1 for greedy decoding
            "temperature": 0.0 if greedy else sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,  # SGLang refuses 0
            # Without them a server uses the values of the model's generation_config.json.
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "max_tokens": sampling.max_tokens or vlm.max_new_tokens,
            "seed": request_seed(self.seed, request.id, _SEED_BITS),
            "logprobs": True,
        }

    def _completion(self, request: Request, index: int, choice: Choice) -> Completion:
        text = choice.message.content or ""
        finished = choice.finish_reason == "stop"
        given = [token.logprob for token in (choice.logprobs and choice.logprobs.content) or ()]
        if text and not given:
            raise ServerError(f"the server at {self.url} gives no log-probabilities; it must support `logprobs`")
        tokenizer = self.policy.vlm.tokenizer
        ids = tuple(int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"])
        if finished and given:
            ids += (tokenizer.eos_token_id or self.policy.vlm.eos_ids[0],)
        logprobs = tuple(given) if len(given) == len(ids) else (fmean(given),) * len(ids)
        return Completion(request.id, index, ids, logprobs, text, finished)


@lru_cache(maxsize=_CACHED_DATA_URLS)
def data_url(image: ImageRef) -> str:
    """A data URL with the image as a lossless PNG, upright and in 8-bit RGB.

    Raises:
        OSError: the image cannot be read.
    """
    buffer = io.BytesIO()
    image.load().save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def wait_for_server(settings: ServerSettings) -> None:
    """Wait until the server answers, at most `wait_s` seconds.

    Raises:
        ServerError: it did not answer in time, or does not serve `model`.
    """
    _endpoint(settings).wait(settings.model)


def _endpoint(settings: ServerSettings) -> Endpoint:
    policy = ClientPolicy(
        key_variable=KEY_VARIABLE,
        wait_s=settings.wait_s,
        timeout_s=settings.timeout_s,
        retries=settings.retries,
        error=ServerError,
        address="the url of the engine",
        model="vote_engine.model",
        if_absent="start it, or raise vote_engine.wait_s",
        if_late="raise vote_engine.timeout_s, or lower vote_engine.concurrency",
        if_gone="restart it, then continue the run with --resume",
    )
    return Endpoint(settings.url, policy)


@dataclass(frozen=True, slots=True)
class _Adapter:
    """An adapter that the server has loaded under the name of its folder."""

    version: int
    folder: Path
