"""Asks a language model on any OpenAI-compatible server to judge answers, and stores its replies on disk."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx2
from pydantic import ValidationError

from visplay.errors import ConfigError, JudgeError
from visplay.evaluation.judge.prompt import judge_messages
from visplay.generation.openai_client import Endpoint
from visplay.generation.settings import EndpointSettings
from visplay.images.files import read_regular
from visplay.interfaces.component import problems
from visplay.types import Item


class JudgeSettings(EndpointSettings):
    """Settings of the server whose model judges."""

    key_variable = "VISPLAY_JUDGE_KEY"
    error = JudgeError
    model_name = "--judge-model"
    if_absent = "start it, or name another by --judge"
    if_late = "the same command goes on with the verdicts that are kept"
    if_gone = "start it again, then the same command goes on with the verdicts that are kept"

    concurrency: int = 8
    timeout_s: float = 120.0
    wait_s: float = 60.0
    retries: int = 5
    max_tokens: int = 1024  # a reasoning model thinks in them
    cache: Path


class Judge:
    """A model behind a server, asked at temperature 0.

    The same request is never sent twice: each reply is a file below `settings.cache`, named by the hash of the request,
    which holds the model's name, the prompt and the texts. Any number of processes may share the folder.

    Arguments are those of `JudgeSettings`.

    Attributes:
        model: the name of the model that judges.
    Raises:
        ConfigError: the address is not valid, or holds a key.
        JudgeError: the cache's folder cannot be used, the server did not answer in time, or it does not serve `model`.
    """

    def __init__(self, url: str, model: str | None, cache: Path, **limits: Any) -> None:
        try:
            self.settings = JudgeSettings(url=url, model=model, cache=cache, **limits)
        except ValidationError as error:
            raise ConfigError(f"--judge: {problems(error)}") from None
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritten(error) from None
        self._server = Endpoint(self.settings)
        self.model = self._server.wait()

    def replies(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, str]:
        """The judge's reply to each answer, by item id; an item without an answer has no reply.

        Args:
            answers: the answer of a model, by item id; blank if there is none.
        Raises:
            JudgeError: the server disconnected, refused a request, or took too long. Earlier replies stay stored.
        """
        requests = {item.id: self._request(item, answers[item.id]) for item in items if answers[item.id].strip()}
        distinct = list(dict.fromkeys(requests.values()))
        found = dict(zip(distinct, self._server.map(self._reply, distinct), strict=True))
        return {item_id: found[request] for item_id, request in requests.items()}

    def _request(self, item: Item, answer: str) -> str:
        body = {
            "model": self.model,
            "messages": judge_messages(item.question, item.choices, item.reference, answer),
            "n": 1,
            "temperature": 0.0,
            "max_tokens": self.settings.max_tokens,
        }
        return json.dumps(body)

    async def _reply(self, client: httpx2.AsyncClient, request: str) -> str:
        key = blake2b(request.encode(), digest_size=20).hexdigest()
        file = self.settings.cache / key[:2] / f"{key}.json"
        body = json.loads(request)
        with suppress(ValueError, KeyError, TypeError, RecursionError):  # missing or damaged
            kept = json.loads(read_regular(file))
            if kept["request"] == body:
                return str(kept["reply"])
        (choice,) = await self._server.chat(client, body)
        reply = choice.text or ""
        try:
            file.parent.mkdir(exist_ok=True)
            # A draft of its own, because another process may be writing the same file.
            with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".", delete=False) as draft:
                json.dump({"request": body, "reply": reply}, draft, indent=1)
            os.replace(draft.name, file)
        except OSError as error:
            raise self._unwritten(error) from None
        return reply

    def _unwritten(self, error: OSError) -> JudgeError:
        reason = (error.strerror or str(error)).lower()
        return JudgeError(f"cannot keep verdicts in {self.settings.cache} ({reason}); name a folder by --judge-cache")
