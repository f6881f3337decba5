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
import json
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx2

from visplay.errors import ServerError, UnreadableImage
from visplay.generation.batching import grouped_by_image
from visplay.generation.openai_client import Choice, Endpoint, describe_reply
from visplay.generation.sampling import request_seed
from visplay.generation.settings import ServerSettings
from visplay.interfaces.engine import Sampling
from visplay.models.policy import LoraPolicy, Policy
from visplay.models.user_turn import user_turn
from visplay.types import Completion, ImageRef, Request

_CACHED_DATA_URLS = 128
_SEED_BITS = 31  # every server accepts seeds of this size
_UNLOAD_TIMEOUT_S = 10.0


class ServerEngine:
    """Samples from a server: from its base model for a frozen policy, from the policy's adapter for LoRA.

    The completions cannot be trained on: training needs the sampled tokens, and a server sends text. `token_ids` are
    the tokens of that text. `logprobs` are the server's (vLLM: at temperature 1 and before truncation); if their number
    differs from that of `token_ids`, each token gets their mean.

    Args:
        policy: frozen, or LoRA and `settings.adapters` set; `ServerBackend.check_run` refuses other settings.
        seed: the run's seed; the seed of each request is derived from it and the request's id.
    """

    def __init__(self, policy: Policy, seed: int, settings: ServerSettings) -> None:
        self.policy = policy
        self.seed = seed
        self.settings = settings
        self._server = Endpoint(settings)
        self._base: str | None = None
        self._adapter: Path | None = None  # the server has loaded it under the folder's name
        # Distinguishes this engine's adapters on the server from those of other runs, and of this run before a resume.
        self._tag = secrets.token_hex(4)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`.

        Raises:
            ServerError: the server disconnected, refused a request, or took longer than `timeout_s`.
        """
        grouped = grouped_by_image(requests)
        self._base = self._base or self._server.wait()
        model = self._server.run(self._adapted) if isinstance(self.policy, LoraPolicy) else self._base
        complete = partial(self._complete, model=model, sampling=sampling)
        found = dict(zip((request.id for request in grouped), self._server.map(complete, grouped), strict=True))
        return {request.id: found[request.id] for request in requests}

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: none, because the completions are not trained on."""
        return {}

    def close(self) -> None:
        """Unload the last adapter from the server, if it answers, and delete the adapter's folder."""
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            unload = partial(self._unload, adapter)
            with suppress(ServerError, TimeoutError):
                self._server.run(lambda client: asyncio.wait_for(unload(client), _UNLOAD_TIMEOUT_S))

    async def _adapted(self, client: httpx2.AsyncClient) -> str:
        """The name of the policy's adapter; the server loads it if it changed or if the server was restarted."""
        assert self.settings.adapters is not None and isinstance(self.policy, LoraPolicy)
        folder = self.settings.adapters.resolve() / f"{self.policy.role}-{self._tag}-{self.policy.version}"
        if folder != self._adapter:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self.policy.save(folder)
            except OSError as error:
                raise ServerError(f"cannot write an adapter to vote_engine.adapters: {error}") from None
        body = {"lora_name": folder.name, "lora_path": str(folder)}
        reply = await self._server.post(client, "/v1/load_lora_adapter", body)
        # The name is unique, so "already loaded" means that an earlier request succeeded.
        if reply.status_code != 200 and "already been loaded" not in reply.text:
            raise self._server.error(
                f"loads no adapter from {folder}: {describe_reply(reply)}; it must see that folder, and run with "
                "--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            )
        previous, self._adapter = self._adapter, folder
        if previous and folder != previous:
            await self._unload(previous, client)
        return folder.name

    async def _unload(self, folder: Path, client: httpx2.AsyncClient) -> None:
        """Make the server unload an adapter, if it has it, and delete the folder in any case."""
        try:
            await self._server.post(client, "/v1/unload_lora_adapter", {"lora_name": folder.name})
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _complete(
        self, client: httpx2.AsyncClient, request: Request, *, model: str, sampling: Sampling
    ) -> tuple[Completion, ...]:
        try:
            body = self._body(request, sampling, model)
        except UnreadableImage:
            return ()
        choices = await self._server.chat(client, body)
        choices *= request.n // len(choices)  # all greedy answers are equal
        return tuple(self._completion(request, index, choice) for index, choice in enumerate(choices))

    def _body(self, request: Request, sampling: Sampling, model: str) -> dict[str, Any]:
        greedy = request.greedy or sampling.temperature == 0
        vlm = self.policy.vlm
        parts = request.image.parts
        images = [{"type": "image_url", "image_url": {"url": data_url(part)}} for part in parts]
        # As `VLM.encode` does.
        turn = user_turn(vlm.without_markup(request.prompt), len(parts), request.image.placed)
        content = [{"type": "text", "text": part} if isinstance(part, str) else images[part] for part in turn]
        arguments = vlm.processor.template_arguments
        return {
            "model": model,
            "messages": [{"role": "user", "content": content}],
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
            **(_guided(request.schema) if request.schema and not vlm.begun_thought else {}),
            **({"chat_template_kwargs": arguments} if arguments else {}),
            **({"skip_special_tokens": False} if vlm.marks_are_special else {}),  # as `VLM.decode` does
        }

    def _completion(self, request: Request, index: int, choice: Choice) -> Completion:
        said = (choice.reasoning or "") + (choice.text or "")
        finished = choice.finish_reason == "stop"
        given = [token.logprob for token in choice.tokens or ()]
        if said and not given:
            raise self._server.error("gives no log-probabilities; it must support `logprobs`")
        tokenizer = self.policy.vlm.tokenizer
        ids = tuple(int(i) for i in tokenizer(said, add_special_tokens=False)["input_ids"])
        if finished and given:
            ids += (tokenizer.eos_token_id or self.policy.vlm.eos_ids[0],)
        logprobs = tuple(given) if len(given) == len(ids) else (fmean(given),) * len(ids)
        return Completion(request.id, index, ids, logprobs, self._text(choice), finished)

    def _text(self, choice: Choice) -> str:
        """As other engines have it, with the thought, which some servers cut off and send apart."""
        if choice.reasoning is None:
            return self.policy.vlm.begun_thought + (choice.text or "")
        return f"<think>{choice.reasoning}" + ("" if choice.text is None else f"</think>{choice.text}")


def _guided(schema: str) -> dict[str, Any]:
    named = {"name": "record", "schema": json.loads(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


@lru_cache(maxsize=_CACHED_DATA_URLS)
def data_url(image: ImageRef) -> str:
    """A data URL with the image as a lossless PNG, upright and in 8-bit RGB.

    Raises:
        UnreadableImage: the image cannot be read.
    """
    buffer = io.BytesIO()
    image.load().save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
