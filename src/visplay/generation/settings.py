"""Settings of the engines vLLM and server; `generation/backends` makes the engines from them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from visplay.interfaces.engine import EngineBackend


class ServerSettings(EngineBackend):
    """Settings of an OpenAI-compatible server."""

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
        # urlsplit raises ValueError if the port is out of range.
        if urlsplit(url).port == 0:
            raise ValueError("no server listens at port 0")
        return url
