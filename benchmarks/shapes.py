"""A random Qwen2.5-VL of about 30 million parameters, and images of a wanted number of image tokens.

Decoder: hidden size 512, 8 layers, 8 heads of 64 over 2 key-value heads, MLP 1,280. Vision tower:
hidden size 256, 4 blocks, patches of 14 pixels, 2 x 2 of them a token; the last block sees the whole
image and the others windows of 112 pixels, as in the released models. Vocabulary: 8,192, tied.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from scripts.pretrain.model import CHAT_TEMPLATE, SPECIAL
from visplay.roles.prompts import Prompts
from visplay.types import ImageRef

VOCABULARY = 8192
PATCH, MERGE = 14, 2
# The model has no logit for this token, so an answer never ends before its length limit.
_NEVER = "<|never|>"
_TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 512,
    "intermediate_size": 1280,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [8, 12, 12]},
}
_VISION = {"depth": 4, "hidden_size": 256, "intermediate_size": 684, "num_heads": 4, "fullatt_block_indexes": [3]}


def save_model(folder: Path, image_tokens: int) -> None:
    """Write the model, its tokenizer and its image processor in Hugging Face format."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    model = Qwen2_5_VLForConditionalGeneration(make_config(tokenizer, _TEXT, _VISION))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    save_processor(folder, tokenizer, image_tokens)


def save_processor(folder: Path, tokenizer: PreTrainedTokenizerBase, image_tokens: int) -> None:
    """Write the tokenizer, and an image processor that makes `image_tokens` tokens of every image."""
    tokenizer.save_pretrained(folder)
    pixels = image_side(image_tokens) ** 2
    sizes = {"shortest_edge": pixels, "longest_edge": pixels}
    Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=MERGE, size=sizes).save_pretrained(folder)


def load_plain(folder: str | Path) -> Any:
    """The model as a user of transformers opens it."""
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")


def image_side(image_tokens: int) -> int:
    """Pixels of a side of the square image that becomes `image_tokens` tokens.

    Raises:
        SystemExit: there is no such square.
    """
    side = math.isqrt(image_tokens)
    if side**2 != image_tokens:
        raise SystemExit(f"--image-tokens {image_tokens} is no square; an image of 28 n pixels has n * n tokens")
    return side * PATCH * MERGE


def noise(name: str, image_tokens: int, seed: int) -> ImageRef:
    """An image of random pixels."""
    side = image_side(image_tokens)
    pixels = np.random.default_rng([7, seed]).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return ImageRef(name, buffer.getvalue())


def random_tokens(count: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Ids of plain tokens, never of special ones."""
    return tuple(rng.integers(len(SPECIAL), VOCABULARY, count).tolist())


def make_tokenizer() -> PreTrainedTokenizerFast:
    """8,192 byte-pair tokens: those of the roles' wording, the rest learned from made-up words."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    made_up = [" ".join("".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(20)) for _ in range(1500)]
    prompts = Prompts()
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    core.train_from_iterator([*[prompts.questioner, prompts.answer("")] * 1000, *made_up], trainer)
    if core.get_vocab_size() != VOCABULARY:
        raise RuntimeError(f"the tokenizer has {core.get_vocab_size()} tokens instead of {VOCABULARY}")
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=_NEVER,
        pad_token="<|endoftext|>",
        extra_special_tokens=[t for t in SPECIAL if t != "<|endoftext|>"],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def make_config(
    tokenizer: PreTrainedTokenizerBase, text: Mapping[str, Any], vision: Mapping[str, Any]
) -> Qwen2_5_VLConfig:
    """The configuration of a Qwen2.5-VL with these sizes of decoder and vision tower, for the tokenizer's ids."""
    ids: dict[str, Any] = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    return Qwen2_5_VLConfig(
        text_config={
            "max_position_embeddings": 32768,
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": ids["<|endoftext|>"],
            **text,
        },
        vision_config={
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "window_size": 112,
            "out_hidden_size": text["hidden_size"],
            **vision,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=text["tie_word_embeddings"],
    )
