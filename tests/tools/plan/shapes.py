"""Configurations of the shape of released models; nothing is downloaded."""

from __future__ import annotations

from typing import Any

from transformers import Qwen2_5_VLConfig


def _qwen(layers: int, **text: Any) -> Qwen2_5_VLConfig:
    """The shape of a released Qwen2.5-VL."""
    hidden = text["hidden_size"]
    return Qwen2_5_VLConfig(
        text_config={
            "num_hidden_layers": layers,
            "max_position_embeddings": 128000,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            **text,
        },
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "out_hidden_size": hidden,
        },
        tie_word_embeddings=text["tie_word_embeddings"],
    )


def qwen_3b() -> Qwen2_5_VLConfig:
    return _qwen(
        36,
        vocab_size=151936,
        hidden_size=2048,
        intermediate_size=11008,
        num_attention_heads=16,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )


def qwen_7b() -> Qwen2_5_VLConfig:
    return _qwen(
        28,
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_attention_heads=28,
        num_key_value_heads=4,
        tie_word_embeddings=False,
    )
