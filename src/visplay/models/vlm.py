"""A vision-language model with its processor: load, encode a prompt with an image, decode tokens, save.

Any `AutoModelForImageTextToText` with a processor and a chat template works; only `visplay.models` knows about model
families. Left out: video.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedConfig,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.utils import logging

from visplay.answers import begun_thought, is_mark
from visplay.errors import ModelError, one_line
from visplay.models.finite import check_finite
from visplay.models.image_cache import ImageCache, Pixels
from visplay.models.names import check_name
from visplay.models.processor import Processor
from visplay.models.tree_model import TreeModel
from visplay.types import ImageRef

# What transformers raises for files that are damaged, or that have other values than it expects.
_LOAD_ERRORS = (
    *(OSError, ValueError, LookupError, RuntimeError, ImportError, AttributeError, TypeError, ArithmeticError),
    *(AssertionError, SafetensorError, StrictDataclassError),
)
# For models whose generation config has no max_new_tokens.
_MAX_NEW_TOKENS = 1024


class EncodedPrompt(NamedTuple):
    """The model's inputs for a prompt with an image.

    Attributes:
        token_ids: the prompt with the image's placeholder tokens, up to the start of the answer.
        pixels: the image processor's tensors, see `Pixels`.
    """

    token_ids: tuple[int, ...]
    pixels: Pixels


class VLM(TreeModel):
    """A model with its processor."""

    def __init__(self, name: str, model: Any, processor: Processor, images: ImageCache | None = None) -> None:
        self.name = name
        self.processor = processor
        self.tokenizer = tokenizer = processor.tokenizer
        self.eos_ids = _eos_ids(model, tokenizer)
        pad_id = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.eos_ids[0])
        super().__init__(model, pad_id, images or ImageCache(processor.prepare))
        # Placeholder tokens must not be sampled: in an answer they would refer to an image that does not exist.
        video_token_id = getattr(model.config, "video_token_id", None)
        self.placeholder_ids = tuple(int(i) for i in (self.image_token_id, video_token_id) if i is not None)
        self.max_new_tokens = int(model.generation_config.max_new_tokens or _MAX_NEW_TOKENS)
        special = {int(i): token.content for i, token in tokenizer.added_tokens_decoder.items() if token.special}
        # Some families mark thoughts by special tokens. A text without them would begin with the thought.
        self.marks_are_special = any(map(is_mark, special.values()))
        self._left_out = {i for i, text in special.items() if not is_mark(text)}
        markup = {*special.values(), processor.image_token}
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
        chat_template: Mapping[str, bool | int | float | str] | None = None,
    ) -> VLM:
        """Load a folder in Hugging Face format or a model of the Hugging Face hub, ready for inference.

        Args:
            device: a torch device; "auto" is CUDA if it is available, else the CPU.
            min_pixels, max_pixels: limits of an image's size, see `Processor.limit`; None keeps the model's own.
            four_bit: load the language model's linear layers in NF4 (QLoRA, arXiv 2305.14314), by bitsandbytes.
            chat_template: arguments of the chat template, see `Processor.give_template`.
        Raises:
            ModelError: the model is missing or unreadable, or is not a supported VLM.
        """
        name = str(name)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        _check_device(device)
        check_model(name, trust_remote_code)
        with quiet():
            try:
                config = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
                processor = Processor.load(name, config, trust_remote_code)
                processor.limit(min_pixels, max_pixels)
                processor.give_template(chat_template or {})
                loaded: Any = AutoModelForImageTextToText.from_pretrained(
                    name,
                    dtype=getattr(torch, dtype),
                    trust_remote_code=trust_remote_code,
                    output_loading_info=True,
                    **(_in_four_bits(config, dtype, device) if four_bit else {}),
                )
            except _LOAD_ERRORS as error:
                raise _unloadable(name, error) from None
            model, found = loaded
            if missing := sorted(found["missing_keys"]):  # transformers would draw them at random
                raise ModelError(
                    f"model '{name}' has no weights for {missing[0]}; its files are damaged; get them again"
                )
            if not processor.chat_template:
                raise ModelError(f"model '{name}' has no chat template; add chat_template.jinja to its folder")
            check_finite(model.named_parameters(), f"model '{name}'", "its files are damaged; get them again")
            return cls(name, (model if four_bit else model.to(device)).eval(), processor)

    def with_model(self, model: Any) -> VLM:
        """A VLM with other weights of the same architecture; if the vision tower is shared, so is the image cache."""
        other = VLM(self.name, model, self.processor, self._images)
        if not all(theirs is ours for theirs, ours in zip(other.vision, self.vision, strict=True)):
            other._images = ImageCache(self.processor.prepare)
        other.padded_because = self.padded_because
        return other

    def save(self, folder: str | Path) -> None:
        """Write weights, tokenizer and image processor in Hugging Face format, for `load`."""
        # A copy without decoding habits, because transformers refuses to write some that it has read.
        model = copy.copy(self.model)
        model.generation_config = GenerationConfig()
        model.config = copy.deepcopy(self.model.config)
        for habit in model.config._get_generation_parameters():  # of a checkpoint from before there was a file for them
            setattr(model.config, habit, None)
        with quiet():
            model.save_pretrained(folder)
            self.processor.save(folder)
        self.model.generation_config.to_json_file(
            Path(folder) / "generation_config.json", keys_to_pop=["compile_config"]
        )

    def encode(self, image: ImageRef, prompt: str) -> EncodedPrompt:
        """The model's inputs for a user turn with an image, or the images of an album, and a text without its markup.

        Raises UnreadableImage if an image cannot be read, ModelError if the template does not place each image once.
        """
        between = self.processor.chat(self.without_markup(prompt), len(image.parts), image.placed)
        first, *others = between.split(self.processor.image_token)
        if len(others) != len(image.parts):
            raise ModelError(f"the chat template of '{self.name}' must place each image of a user's turn once")
        pixels = self._images.get(image)
        # Tokenised as a whole, because a token may span the border between text and image markup.
        text = first + "".join(markup + after for markup, after in zip(pixels.texts, others, strict=True))
        return EncodedPrompt(tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]), pixels)

    def without_markup(self, text: str) -> str:
        """The text without special tokens, so that it can neither end its turn nor add an image."""
        return self._markup.sub("", text)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids, without special tokens; those that mark a thought or a box stay."""
        kept = [i for i in ids if i not in self._left_out]
        skip = not self.marks_are_special
        return str(self.tokenizer.decode(kept, skip_special_tokens=skip, clean_up_tokenization_spaces=False))

    @cached_property
    def begun_thought(self) -> str:
        """The mark of a thought, such as `<think>`, with which the chat template begins an answer; empty for none."""
        return begun_thought(self.processor.chat("?"))

    def completion_text(self, ids: Iterable[int]) -> str:
        """The text of a completion, with the mark of the thought that the template began."""
        return self.begun_thought + self.decode(ids)


@contextmanager
def quiet() -> Iterator[None]:
    """Context manager: transformers reports errors only, and shows no progress bars."""
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
    """Arguments of `from_pretrained` that quantise the language model's linear layers, but not the vision tower."""
    with torch.device("meta"):
        blank = AutoModelForImageTextToText.from_config(config)
    children, decoder = blank.base_model.named_children(), blank.get_decoder()
    vision = [f"{blank.base_model_prefix}.{name}" for name, child in children if child is not decoder]
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=getattr(torch, dtype),
        llm_int8_skip_modules=[*vision, "lm_head"],
    )
    return {"quantization_config": settings, "device_map": {"": device}}


def _eos_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, (list, tuple)) else [configured]
    found = {int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None}
    if not found:
        raise ModelError("the model names no end-of-text token; set eos_token_id in generation_config.json")
    return tuple(sorted(found))


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).partition("\n")[0]
        raise ModelError(f"device '{device}' cannot be used ({first}); `visplay doctor` lists the devices") from None


def _unloadable(name: str, error: Exception) -> ModelError:
    if "trust_remote_code" in str(error):
        return ModelError(f"model '{name}' comes with code of its own; if you trust it, add --trust-remote-code")
    return ModelError(f"cannot load model '{name}': {one_line(error)}")


def check_model(name: str, trust_remote_code: bool = False) -> None:
    """Check the configuration of a model, not its weights; ModelError if it is missing, or takes no images."""
    check_name(name)
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    except _LOAD_ERRORS as error:
        raise _unloadable(name, error) from None
    remote = trust_remote_code and "AutoModelForImageTextToText" in getattr(config, "auto_map", {})
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and not remote:
        raise ModelError(f"model '{name}' is of type {config.model_type}, which takes no images with its text")
