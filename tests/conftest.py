"""A random vision-language model small enough to build for a test: Qwen2.5-VL's own class, its own tokenizer."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from scripts.pretrain.model import CHAT_TEMPLATE, SPECIAL
from visplay.models.vlm import VLM
from visplay.types import ImageRef

# How long something takes is measured in benchmarks/; here a busy machine would fail what is right.
settings.register_profile("visplay", deadline=None)
settings.load_profile("visplay")

# A shell lets its background jobs ignore Ctrl-C, and what they start as well. Programs that tests stop must hear it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[t for t in SPECIAL if t not in ("<|im_end|>", "<|endoftext|>")],
        chat_template=CHAT_TEMPLATE,
    )


def _config(tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int) -> Qwen2_5_VLConfig:
    token = tokenizer.convert_tokens_to_ids
    heads = hidden // 16
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads // 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "eos_token_id": token("<|im_end|>"),
            "bos_token_id": token("<|endoftext|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "window_size": 16,
            "fullatt_block_indexes": [1],
            "out_hidden_size": hidden,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Qwen2.5-VL of about 0.1 M parameters, never to be written to."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    tokenizer = _tokenizer()
    model = Qwen2_5_VLForConditionalGeneration(_config(tokenizer, hidden=64, layers=2))
    with torch.no_grad():
        for parameter in model.parameters():
            # Larger than usual, so that the image and every earlier token visibly change what follows.
            if parameter.ndim > 1:
                parameter.normal_(0, 0.15)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sizes = {"shortest_edge": 16 * 16, "longest_edge": 32 * 32}
    Qwen2VLImageProcessorPil(patch_size=4, merge_size=2, size=sizes).save_pretrained(folder)
    return folder


@pytest.fixture
def vlm(model_folder: Path) -> VLM:
    """That model, loaded anew for each test."""
    return VLM.load(model_folder, device="cpu")


@pytest.fixture(scope="session")
def images() -> tuple[ImageRef, ...]:
    """Six images of noise, of different shapes."""
    random = np.random.default_rng(0)
    shapes = [(32, 32), (24, 32), (32, 24), (16, 24), (32, 32), (24, 24)]
    return tuple(_noise(f"noise-{i}", random, shape) for i, shape in enumerate(shapes))


def _noise(name: str, random: np.random.Generator, shape: tuple[int, int]) -> ImageRef:
    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(buffer, "PNG")
    return ImageRef(name, buffer.getvalue())
