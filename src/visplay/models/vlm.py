"""A vision-language model with its text and images: load, encode a prompt on an image, decode, save.

All knowledge of model families lives in `visplay.models`: any `AutoModelForImageTextToText` with a processor
and a chat template. The forward passes are those of `models/treemodel.py`. Left out: video.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText, BitsAndBytesConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.utils import logging

from visplay.errors import ModelError
from visplay.models.image_cache import ImageCache, Pixels
from visplay.models.names import check_name
from visplay.models.processor import Processor
from visplay.models.tree_model import TreeModel
from visplay.types import ImageRef

_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError, SafetensorError)
# For models that do not say how long their answers may get.
_MAX_NEW_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt on an image as the model takes it.

    Attributes:
        token_ids: the prompt with the image's placeholder tokens, ending where the answer begins.
        image_id: id of the image.
        pixels: the image processor's tensors: for the Qwen families `pixel_values` float32 (patches,
            numbers a patch) and `image_grid_thw` int64 (1, 3) in patches.
    """

    token_ids: tuple[int, ...]
    image_id: str
    pixels: Pixels


class VLM(TreeModel):
    """A model with its processor."""

    def __init__(self, name: str, model: Any, processor: Processor, images: ImageCache | None = None) -> None:
        tokenizer = processor.tokenizer
        eos_ids = _eos_ids(model, tokenizer)
        pad_id = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos_ids[0])
        super().__init__(model, pad_id, images or ImageCache(processor.prepare))
        self.name = name
        self.processor = processor
        self.tokenizer = tokenizer
        self.eos_ids = eos_ids
        # Tokens that stand for pixels; as part of an answer they would mean an image that is not there.
        video_token_id = getattr(model.config, "video_token_id", None)
        self.placeholder_ids = tuple(int(i) for i in (self.image_token_id, video_token_id) if i is not None)
        self.max_new_tokens = int(model.generation_config.max_new_tokens or _MAX_NEW_TOKENS)
        markup = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special} | {processor.image_token}
        self._markup = re.compile("|".join(re.escape(text) for text in sorted(markup, key=len, reverse=True)))

    @classmethod
    def load(
        cls,
        name: str | Path,
        dtype: str = "float32",
        device: str = "auto",
        *,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        trust_remote_code: bool = False,
        four_bit: bool = False,
    ) -> VLM:
        """Open a folder in Hugging Face format or a model of the Hugging Face hub, ready for inference.

        Args:
            dtype: name of a torch dtype.
            device: a torch device; "auto" is CUDA when there is one, else the CPU.
            min_pixels, max_pixels: bounds of an image's size, see `Processor.limit`; None leaves the model's own.
            trust_remote_code: run code that comes with the model.
            four_bit: the language model's linear layers in NF4 (QLoRA, arXiv 2305.14314), by bitsandbytes.
        Raises:
            ModelError: the folder or hub model is missing or unreadable, or is no supported VLM.
        """
        name = str(name)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        check_model(name, trust_remote_code)
        with _quiet():
            return cls._load(name, dtype, device, min_pixels, max_pixels, trust_remote_code, four_bit)

    @classmethod
    def _load(
        cls,
        name: str,
        dtype: str,
        device: str,
        min_pixels: int | None,
        max_pixels: int | None,
        trust_remote_code: bool,
        four_bit: bool,
    ) -> VLM:
        try:
            config = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
            processor = Processor.load(name, config, trust_remote_code)
            processor.limit(min_pixels, max_pixels)
            model: Any = AutoModelForImageTextToText.from_pretrained(
                name,
                dtype=getattr(torch, dtype),
                trust_remote_code=trust_remote_code,
                **(_in_four_bits(config, dtype, device) if four_bit else {}),
            )
        except _LOAD_ERRORS as error:
            raise ModelError(f"cannot load model '{name}': {_one_line(error)}") from None
        if not processor.chat_template:
            raise ModelError(f"model '{name}' has no chat template; add chat_template.jinja to its folder")
        return cls(name, (model if four_bit else model.to(device)).eval(), processor)

    def with_model(self, model: Any) -> VLM:
        """The same processor around other weights of the same architecture.

        Prepared images are shared, and what a vision tower saw in them, if both models have the same one.
        """
        other = VLM(self.name, model, self.processor, self._images)
        if not all(theirs is ours for theirs, ours in zip(other.vision, self.vision, strict=True)):
            other._images = ImageCache(self.processor.prepare)
        other.plain_because = self.plain_because
        return other

    def save(self, folder: str | Path) -> None:
        """Write weights, tokenizer and image processor in Hugging Face format; `load` reads it back."""
        with _quiet():
            self.model.save_pretrained(folder)
            self.processor.save(folder)

    def encode(self, image: ImageRef, prompt: str) -> EncodedPrompt:
        """Put a user's turn with an image, or an album's images, and a text into the model's chat format.

        Chat markup inside `prompt` is dropped.

        Raises:
            OSError: an image cannot be read.
            ModelError: the chat template does not place each image once.
        """
        between = self.processor.chat(self.without_markup(prompt), len(image.parts))
        first, *others = between.split(self.processor.image_token)
        if len(others) != len(image.parts):
            raise ModelError(f"the chat template of '{self.name}' must place each image of a user's turn once")
        pixels = self._images.get(image)
        # Text and images are tokenised together, since what stands around an image may join its markup.
        text = first + "".join(one + after for one, after in zip(pixels.texts, others, strict=True))
        return EncodedPrompt(tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]), image.id, pixels)

    def without_markup(self, text: str) -> str:
        """A text as it may enter a prompt: it cannot end its own turn, nor bring its own image."""
        return self._markup.sub("", text)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


@contextmanager
def _quiet() -> Iterator[None]:
    """Let transformers report errors only, without progress bars, for the length of a `with` block."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _in_four_bits(config: PreTrainedConfig, dtype: str, device: str) -> dict[str, Any]:
    """How transformers loads the language model's linear layers in NF4, and all that sees as it is."""
    with torch.device("meta"):
        blank = AutoModelForImageTextToText.from_config(config)
    decoder = blank.get_decoder()
    prefix = blank.base_model_prefix
    seeing = [f"{prefix}.{name}" for name, child in blank.base_model.named_children() if child is not decoder]
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=getattr(torch, dtype),
        llm_int8_skip_modules=[*seeing, "lm_head"],
    )
    return {"quantization_config": settings, "device_map": {"": device}}


def _eos_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, (list, tuple)) else [configured]
    found = {int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None}
    if not found:
        raise ModelError("the model names no end-of-text token; set eos_token_id in generation_config.json")
    return tuple(sorted(found))


def check_model(name: str, trust_remote_code: bool = False) -> None:
    """Read the configuration of a model, without its weights.

    Raises:
        ModelError: it is missing, or no model for images and text.
    """
    check_name(name)
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    except _LOAD_ERRORS as error:
        raise ModelError(f"cannot load model '{name}': {_one_line(error)}") from None
    remote = trust_remote_code and "AutoModelForImageTextToText" in getattr(config, "auto_map", {})
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and not remote:
        raise ModelError(f"model '{name}' is of type {config.model_type}, which takes no images with its text")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
