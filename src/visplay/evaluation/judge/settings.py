"""Settings of a judge; `visplay eval` takes them, a run does not."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from visplay.errors import ConfigError
from visplay.interfaces.component import Section, problems


class JudgeSettings(Section):
    """An OpenAI-compatible server whose model judges free answers."""

    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", description="http://host:port")
    model: str | None = Field(None, description="name of the model; null: the first that is served")
    cache: Path = Field(description="folder of the judge's replies, shared by all evaluations")
    concurrency: int = Field(8, ge=1, le=4096, description="requests under way at once")
    max_tokens: int = Field(1024, ge=1, le=65536, description="longest reply, tokens; a reasoning model thinks in it")
    timeout_s: float = Field(120.0, gt=0, description="longest wait for one reply, seconds")
    wait_s: float = Field(60.0, gt=0, description="longest wait for a server that is starting, seconds")
    retries: int = Field(5, ge=0, le=100, description="further tries of a request that got no reply, or 429 or 5xx")

    @field_validator("url")
    @classmethod
    def _holds_no_key(cls, url: str) -> str:
        parts = urlsplit(url)
        # It would be shown where the server fails.
        if parts.username is not None or parts.query:
            raise ValueError("holds more than an address; a key goes into VISPLAY_JUDGE_KEY")
        # Reading a port checks its range as well.
        if parts.port == 0:
            raise ValueError("no server listens at port 0")
        return url


def judge_settings(url: str, model: str | None, cache: Path) -> JudgeSettings:
    """Settings of a judge, checked.

    Raises:
        ConfigError: the address is not valid, or holds a key.
    """
    try:
        return JudgeSettings(url=url, model=model, cache=cache)
    except ValidationError as error:
        raise ConfigError(f"--judge: {problems(error)}") from None
