"""The engine `transformers`: generation in this process, on token trees if they are valid for the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from visplay.interfaces.engine import Engine, EngineBackend


class TransformersBackend(EngineBackend, type="transformers"):
    """transformers in this process; needs no other package."""

    batch: int = Field(256, ge=1, description="completions decoded at once")
    tokens: int = Field(
        65536, ge=64, description="tokens of images and prompts that are encoded at once, before completions grow"
    )

    @property
    def batch_size(self) -> int:
        return self.batch

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        from visplay.generation.transformers_engine import TransformersEngine

        return [TransformersEngine(policy, run.seed, self.batch, self.tokens) for policy in policies]
