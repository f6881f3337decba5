"""Tiny models of vision-language families as folders in Hugging Face format, each with its family's own processor.

The weights are those of `families.py`. The tokenizer writes the bytes of any text, and some phrases as one token, so
that a model can be taught in seconds to speak as a Questioner and a Reasoner do.
"""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast

from tests.parity.families import FAMILIES, TEXT_IDS, random_model
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef

ASKED = ("how many cats are there?", "how many red cats are there?")
QUESTIONS = tuple(f"<type>numerical</type><question>{text}</question>" for text in ASKED)
ANSWERS = ("\\boxed{1}", "\\boxed{2}", "\\boxed{3}")
LISTS = ("red cat, red cat", "red cat, red cat, red dog")
THOUGHT = "<think>\nThe image is clear.\n</think>\n"
THINKING = {"mimo_vl": "qwen2_5_vl"}
"""Families that begin with a thought, and those whose architecture they have."""
_PHRASES = (*QUESTIONS, *ANSWERS, *LISTS, THOUGHT)
_NO_THOUGHT = "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n{% endif %}"
_PAD, _EOS, _FIRST_BYTE = "<pad>", "<eos>", 2
# Two tokens of the image's own markup stand around it, or between its tiles.
_IMAGE, _START, _END, _VIDEO, _TILE, _WHOLE = range(TEXT_IDS, TEXT_IDS + 6)


@dataclass(frozen=True)
class _Family:
    """What its tokenizer calls its tokens, its image processor, and its processor with what it is told."""

    tokens: dict[int, tuple[str, str]]  # id: (attribute of the tokenizer, text)
    images: tuple[str, str, dict[str, Any]]  # module, class, settings
    processor: type
    told: dict[str, Any]
    place: str  # what a chat template writes where an image belongs


def _qwen(processor: type) -> _Family:
    return _Family(
        {
            _IMAGE: ("image_token", "<|image_pad|>"),
            _VIDEO: ("video_token", "<|video_pad|>"),
            _START: ("vision_start_token", "<|vision_start|>"),
            _END: ("vision_end_token", "<|vision_end|>"),
        },
        ("qwen2_vl", "Qwen2VLImageProcessorPil", {"patch_size": 4, "merge_size": 2, "size": _pixels(64, 1024)}),
        processor,
        {},
        "<|vision_start|><|image_pad|><|vision_end|>",
    )


def _pixels(least: int, most: int) -> dict[str, int]:
    return {"shortest_edge": least, "longest_edge": most}


def _tiled(processor: type, module: str, images: str) -> _Family:
    return _Family(
        {
            _IMAGE: ("image_token", "<image>"),
            _START: ("fake_image_token", "<fake_token_around_image>"),
            _TILE: ("tile_token", "<row_1_col_1>"),
            _WHOLE: ("global_image_token", "<global-img>"),
            _END: ("end_of_utterance_token", "<end_of_utterance>"),
        },
        (module, images, {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}}),
        processor,
        {"image_seq_len": 4},
        "<image>",
    )


def _llava() -> _Family:
    grids = [[16, 16], [16, 32], [32, 16]]
    return _Family(
        {_IMAGE: ("image_token", "<image>"), _VIDEO: ("video_token", "<video>")},
        (
            "llava_onevision",
            "LlavaOnevisionImageProcessorPil",
            {"size": {"height": 16, "width": 16}, "image_grid_pinpoints": grids},
        ),
        hf.LlavaOnevisionProcessor,
        {"num_image_tokens": 16, "vision_feature_select_strategy": "full"},
        "<image>\n",
    )


def _granite() -> _Family:
    return _Family(
        {_IMAGE: ("image_token", "<image>")},
        (
            "llava_next",
            "LlavaNextImageProcessorPil",
            {
                "size": {"height": 16, "width": 16},
                "crop_size": {"height": 16, "width": 16},
                "image_grid_pinpoints": [[16, 16], [16, 32], [32, 16]],
            },
        ),
        hf.Granite4VisionProcessor,
        {"patch_size": 4, "vision_feature_select_strategy": "full", "downsample_rate": "1/2"},
        "<image>\n",
    )


def _internvl() -> _Family:
    return _Family(
        {
            _IMAGE: ("context_image_token", "<IMG_CONTEXT>"),
            _START: ("start_image_token", "<img>"),
            _END: ("end_image_token", "</img>"),
            _VIDEO: ("video_token", "<video>"),
        },
        (
            "got_ocr2",
            "GotOcr2ImageProcessorPil",
            {"size": {"height": 16, "width": 16}, "crop_to_patches": True, "max_patches": 4},
        ),
        hf.InternVLProcessor,
        {"image_seq_length": 4},
        "<IMG_CONTEXT>\n",
    )


def _gemma() -> _Family:
    return _Family(
        {
            _IMAGE: ("image_token", "<image_soft_token>"),
            _START: ("boi_token", "<start_of_image>"),
            _END: ("eoi_token", "<end_of_image>"),
        },
        ("gemma3", "Gemma3ImageProcessorPil", {"size": {"height": 16, "width": 16}}),
        hf.Gemma3Processor,
        {"image_seq_length": 4},
        "<start_of_image>",
    )


def _glm() -> _Family:
    return _Family(
        {
            _IMAGE: ("image_token", "<|image|>"),
            _VIDEO: ("video_token", "<|video|>"),
            _START: ("image_start_token", "<|begin_of_image|>"),
            _END: ("image_end_token", "<|end_of_image|>"),
        },
        # A still image counts as two frames.
        ("glm4v", "Glm4vImageProcessorPil", {"patch_size": 4, "merge_size": 2, "size": _pixels(128, 2048)}),
        hf.Glm4vProcessor,
        {},
        "<|begin_of_image|><|image|><|end_of_image|>",
    )


_MAKE: dict[str, Callable[[], _Family]] = {
    "qwen2_vl": lambda: _qwen(hf.Qwen2VLProcessor),
    "qwen2_5_vl": lambda: _qwen(hf.Qwen2_5_VLProcessor),
    "mimo_vl": lambda: _qwen(hf.Qwen2_5_VLProcessor),
    "qwen3_vl": lambda: _qwen(hf.Qwen3VLProcessor),
    "qwen3_5": lambda: _qwen(hf.Qwen3VLProcessor),
    "glm4v": _glm,
    "idefics3": lambda: _tiled(hf.Idefics3Processor, "idefics3", "Idefics3ImageProcessorPil"),
    "smolvlm": lambda: _tiled(hf.SmolVLMProcessor, "smolvlm", "SmolVLMImageProcessorPil"),
    "llava_onevision": _llava,
    "granite4_vision": _granite,
    "internvl": _internvl,
    "gemma3": _gemma,
}
# All families but Gemma 4, whose processor needs torchvision.
FOLDERS = tuple(_MAKE)


def _tokenizer(family: _Family) -> PreTrainedTokenizerFast:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {_PAD: 0, _EOS: 1} | {letter: _FIRST_BYTE + i for i, letter in enumerate(letters)}
    vocabulary |= {phrase: len(vocabulary) + i for i, phrase in enumerate(_PHRASES)}
    vocabulary |= {f"<unused {i}>": i for i in range(len(vocabulary), TEXT_IDS)}
    names = {i: text for i, (_, text) in family.tokens.items()}
    vocabulary |= {names.get(i, f"<unused {i}>"): i for i in range(TEXT_IDS, TEXT_IDS + 10)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in _PHRASES])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=_EOS,
        pad_token=_PAD,
        extra_special_tokens=dict(family.tokens.values()),
        clean_up_tokenization_spaces=False,
    )


def write_folder(name: str, folder: Path, head_size: int | None = None) -> Path:
    """A random model of a family; returns `folder`.

    Args:
        head_size: of the decoder's attention heads, where others than the tiny ones are wanted.
    """
    family, tiny = _MAKE[name](), FAMILIES[THINKING.get(name, name)]()
    model = with_heads(tiny.model, head_size) if head_size else tiny.model
    tokenizer = _tokenizer(family)
    tokenizer.chat_template = (
        "{% for message in messages %}{% for part in message.content %}{% if part.type == 'image' %}"
        + family.place
        + "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
        + "{% if add_generation_prompt %}\nAnswer:{% endif %}"
    )
    if name in THINKING:
        tokenizer.chat_template = (
            "<|im_start|>system\nYou are MiMo.<|im_end|>\n<|im_start|>user\n"
            + tokenizer.chat_template.replace("\nAnswer:", "<|im_end|>\n<|im_start|>assistant\n" + _NO_THOUGHT)
        )
    model.generation_config = GenerationConfig(eos_token_id=1, pad_token_id=0, max_new_tokens=4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    images(name).save_pretrained(folder)
    (folder / "prompts.yaml").write_text("questioner: Ask.\nreasoner: '{question}'\nfacts: List.\nlearned: true\n")
    if family.told:
        told = {"processor_class": family.processor.__name__, **family.told}
        (folder / "processor_config.json").write_text(json.dumps(told))
    return folder


def with_heads(model: Any, size: int) -> Any:
    """A random model of the same class whose decoder has two heads of such a size."""
    config = copy.deepcopy(model.config)
    text = config.text_config
    text.hidden_size, text.num_attention_heads, text.num_key_value_heads, text.head_dim = 2 * size, 2, 1, size
    if "mrope_section" in text.rope_parameters:
        text.rope_parameters["mrope_section"] = [part * size // 16 for part in text.rope_parameters["mrope_section"]]
    for name in ("out_hidden_size", "hidden_size"):
        if getattr(config.vision_config, name, None) == model.config.text_config.hidden_size:
            setattr(config.vision_config, name, text.hidden_size)
            break
    return random_model(type(model), config)


def teach(folder: Path, images: Sequence[ImageRef], steps: int = 60) -> None:
    """Have the model in `folder` ask both questions, give all answers and write both lists, each equally often."""
    vlm = VLM.load(folder, device="cpu")
    vlm.model.requires_grad_(True)
    optimizer = torch.optim.Adam(vlm.model.parameters(), lr=3e-3)
    thought = THOUGHT if folder.name in THINKING else ""
    said = [("Ask.", QUESTIONS), (ASKED[0], ANSWERS), (ASKED[1], ANSWERS), ("List.", LISTS)]
    for _ in range(steps):
        prompts = [vlm.encode(image, prompt) for image in images for prompt, _ in said]
        texts = [texts for _ in images for _, texts in said]
        trees, starts = [], []
        for prompt, answers in zip(prompts, texts, strict=True):
            said_ids = [vlm.tokenizer(thought + a, add_special_tokens=False).input_ids for a in answers]
            ids = [(*prompt.token_ids, *tokens, 1) for tokens in said_ids]
            trees.append(TokenTree.build(ids))
            starts.append([len(prompt.token_ids)] * len(ids))
        scores = vlm.logprobs(trees, [p.pixels for p in prompts], starts)
        (-scores.logprobs_ST[scores.mask_ST].mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    vlm.model.save_pretrained(folder)


def images(name: str) -> Any:
    """The family's image processor."""
    module, kind, settings = _MAKE[name]().images
    return getattr(importlib.import_module(f"transformers.models.{module}.image_processing_pil_{module}"), kind)(
        **settings
    )
