"""Settings of OpenAI-compatible servers. The judge has settings of its own on the same base."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from visplay.errors import ServerError, VisplayError
from visplay.interfaces.component import Section
from visplay.interfaces.engine import EngineBackend


class EndpointSettings(Section):
    """An OpenAI-compatible server, how long it is waited for, and how errors speak of it.

    Attributes:
        key_variable: environment variable with the API key. It is not a setting, because settings are written to files.
        if_absent, if_late, if_gone: what to do if the server never answers, answers too late, or disconnects.
    """

    key_variable: ClassVar[str]
    error: ClassVar[type[VisplayError]]
    model_name: ClassVar[str]
    if_absent: ClassVar[str]
    if_late: ClassVar[str]
    if_gone: ClassVar[str]

    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", description="http://host:port")
    model: str | None = Field(None, description="name under which the model is served; null: the first that is served")
    concurrency: int = Field(64, ge=1, le=4096, description="requests under way at once")
    timeout_s: float = Field(600.0, gt=0, description="longest wait for the answers to one request, seconds")
    wait_s: float = Field(600.0, gt=0, description="longest wait for a server that is starting, seconds")
    retries: int = Field(8, ge=0, le=100, description="further tries of a request that got no answer, or 429 or 5xx")

    @field_validator("url", mode="before")
    @classmethod
    def _is_only_an_address(cls, url: Any) -> Any:
        # Errors and settings show the address.
        if re.search("[@?#]", str(url)):
            raise ValueError(f"holds more than an address; a key goes into {cls.key_variable}")
        try:
            port = urlsplit(str(url)).port
        except ValueError:  # its message quotes the address
            raise ValueError("Port out of range 1-65535") from None
        if port == 0:
            raise ValueError("no server listens at port 0")
        return url


class ServerSettings(EngineBackend, EndpointSettings):
    """Settings of a server that serves the base model."""

    key_variable = "VISPLAY_SERVER_KEY"
    error = ServerError
    model_name = "vote_engine.model"
    if_absent = "start it, or raise vote_engine.wait_s"
    if_late = "raise vote_engine.timeout_s, or lower vote_engine.concurrency"
    if_gone = "restart it, then continue the run with --resume"

    adapters: Path | None = Field(None, description="folder that the server reads too, by the same path (tune: lora)")
