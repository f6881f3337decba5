"""What a vLLM in the trainer's process holds beside it, from its settings. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.generation.backends.vllm import VLLMBackend

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class VLLMShare:
    """Bytes that are vLLM's, with a copy of the weights of its own.

    Attributes:
        awake: while it generates.
        asleep: while the trainer computes.
        away: of its weights, in CPU memory while it sleeps.
        tokens: that its keys and values have room for, at the most: its passes take some of it. 0 where its weights
            alone take more.
    """

    awake: int
    asleep: int
    away: int
    tokens: int


def vllm_share(settings: VLLMBackend, memory: int, weights: int, token_bytes: int) -> VLLMShare:
    """Its share of a device.

    Args:
        memory: bytes of the device.
        weights: bytes of the base.
        token_bytes: keys and values of a token.
    """
    if settings.kv_cache_gib is None:
        awake = int(settings.gpu_memory_utilization * memory)
    else:
        awake = weights + int(settings.kv_cache_gib * _GIB)
    tokens = max(0, awake - weights) // token_bytes
    return VLLMShare(awake, 0 if settings.sleep else awake, weights if settings.sleep else 0, tokens)
