"""The engine `server`: an OpenAI-compatible server of the base model gives votes and evaluation answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from visplay.errors import EngineError
from visplay.interfaces.engine import Engine, EngineBackend


class ServerBackend(EngineBackend, type="server"):
    """An OpenAI-compatible server (vLLM, SGLang) that serves the base model. Its completions cannot be trained on."""

    trainable: ClassVar[bool] = False

    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", description="http://host:port")
    model: str | None = Field(None, description="name under which the base is served; null: the first that is served")
    concurrency: int = Field(64, ge=1, le=4096, description="requests under way at once")
    timeout_s: float = Field(600.0, gt=0, description="longest wait for the answers to one request, seconds")
    wait_s: float = Field(600.0, gt=0, description="longest wait for a server that is starting, seconds")
    retries: int = Field(8, ge=0, le=100, description="further tries of a request that got no answer, or 429 or 5xx")
    adapters: Path | None = Field(None, description="folder that the server reads too, by the same path (tune: lora)")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        # Reading a port checks its range as well.
        if urlsplit(url).port == 0:
            raise ValueError("no server listens at port 0")
        return url

    def check(self) -> None:
        from visplay.generation.server import wait_for_server

        wait_for_server(self)

    def check_run(self, run: Any, trained: bool) -> None:
        if trained and run.tune == "full":
            raise ValueError("vote_engine: a server cannot follow weights that are trained in full; choose tune: lora")
        if trained and self.adapters is None:
            raise ValueError("vote_engine: adapters is missing; name a folder that the server reads by the same path")

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        raise EngineError(
            "a server's completions cannot be trained on; use engine: transformers and vote_engine: server"
        )

    def vote_engine(self, policy: Any, run: Any) -> Engine:
        from visplay.generation.server import ServerEngine

        return ServerEngine(policy, run.seed, self)
