"""Qwen2.5-VL models of released shapes with random weights, made on the device; nothing is read from a hub."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from benchmarks import shapes
from benchmarks.gpu.bench import Bench
from visplay.models.processor import Processor
from visplay.models.vlm import VLM


class _Shape(NamedTuple):
    """Sizes of a decoder and of a vision tower, whose blocks `whole` see the whole image."""

    hidden: int
    mlp: int
    layers: int
    heads: int
    groups: int
    vocabulary: int
    tied: bool
    sections: tuple[int, int, int] = (16, 24, 24)
    blocks: int = 32
    block_hidden: int = 1280
    block_mlp: int = 3420
    block_heads: int = 16
    whole: tuple[int, ...] = (7, 15, 23, 31)
    weights: float = 0.02


_SHAPES = {
    "3b": _Shape(2048, 11008, 36, 16, 2, 151936, True),
    "7b": _Shape(3584, 18944, 28, 28, 4, 152064, False),
    "3b, 4 layers": _Shape(2048, 11008, 4, 16, 2, 151936, True, blocks=4, whole=(3,)),
    # Larger weights, so that what a token sees makes a difference.
    "tiny": _Shape(128, 256, 2, 4, 2, shapes.VOCABULARY, True, (4, 6, 6), 2, 64, 128, 2, (1,), 0.15),
}


def make_vlm(bench: Bench, size: str, dtype: torch.dtype, image_tokens: int) -> VLM:
    """A frozen model whose answers never end before their limit, and whose images have `image_tokens` tokens.

    Args:
        size: of the released model; `--size` takes precedence where it is "tiny".
    """
    size = bench.pick(size, "tiny")
    tokenizer = _tokenizer(bench)
    config = shapes.make_config(tokenizer, *sizes_of(size))
    folder = bench.work / f"{size}-{image_tokens}".replace(", ", "-").replace(" ", "-")
    config.save_pretrained(folder)
    shapes.save_processor(folder, tokenizer, image_tokens)
    torch.manual_seed(0)
    with bench.device.torch:
        model: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    model.requires_grad_(False)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    vlm = VLM(str(folder), model.eval(), Processor.load(str(folder), config))
    vlm.eos_ids = (_SHAPES[size].vocabulary,)  # no logit is for it
    return vlm


def _tokenizer(bench: Bench) -> Any:
    """The tokenizer of the other benchmarks; the first part that asks trains it."""
    folder = bench.work / "tokenizer"
    if not folder.exists():
        shapes.make_tokenizer().save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def sizes_of(size: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The decoder's and the vision tower's part of the configuration."""
    shape = _SHAPES[size]
    text = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.mlp,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.groups,
        "tie_word_embeddings": shape.tied,
        "initializer_range": shape.weights,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": list(shape.sections)},
    }
    vision = {
        "depth": shape.blocks,
        "hidden_size": shape.block_hidden,
        "intermediate_size": shape.block_mlp,
        "num_heads": shape.block_heads,
        "fullatt_block_indexes": list(shape.whole),
        "initializer_range": shape.weights,
    }
    return text, vision
