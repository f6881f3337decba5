"""A vision-language model with its text and images: load, encode a prompt on a picture, decode, save.

All knowledge of model families lives in `visplay.models`. Supported: Qwen2-VL and
Qwen2.5-VL of any size, in the Hugging Face format. The forward passes are those of
`models/treemodel.py`, which know more families. Left out: video, several pictures a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from visplay.models.pictures import PictureCache, Pixels
from visplay.models.treemodel import TreeModel
from visplay.records import Picture

FAMILIES = ("qwen2_vl", "qwen2_5_vl")
_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, SafetensorError)
# For models that do not say how long their answers may get.
_MAX_NEW_TOKENS = 1024


class ModelError(ValueError):
    """A model cannot be used; the message is one line that says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt on a picture as the model takes it.

    Attributes:
        token_ids: the prompt with the picture's placeholder tokens, ending where the answer begins.
        picture_id: id of the picture.
        pixels: the image processor's tensors: for the Qwen families `pixel_values` float32 (patches,
            numbers a patch) and `image_grid_thw` int64 (1, 3) in patches.
    """

    token_ids: tuple[int, ...]
    picture_id: str
    pixels: Pixels


class VLM(TreeModel):
    """A model with its tokenizer and image processor."""

    def __init__(
        self, name: str, model: Any, tokenizer: Any, image_processor: Any, pictures: PictureCache | None = None
    ) -> None:
        eos_ids = _eos_ids(model, tokenizer)
        pad_id = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos_ids[0])
        super().__init__(model, pad_id, pictures or PictureCache(image_processor))
        self.name = name
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.eos_ids = eos_ids
        # Tokens that stand for pixels; as part of an answer they would mean a picture that is not there.
        self.placeholder_ids = (self.image_token_id, int(model.config.video_token_id))
        self.max_new_tokens = int(model.generation_config.max_new_tokens or _MAX_NEW_TOKENS)
        markup = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
        self._markup = re.compile("|".join(re.escape(text) for text in markup))

    @classmethod
    def load(cls, name: str | Path, dtype: str = "float32", device: str = "auto") -> VLM:
        """Open a folder in Hugging Face format or a model of the Hugging Face hub, ready for inference.

        Args:
            dtype: name of a torch dtype.
            device: a torch device; "auto" is CUDA when there is one, else the CPU.
        Raises:
            ModelError: the folder or hub model is missing or unreadable, or is no supported VLM.
        """
        name = str(name)
        check_model(name)
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            image_processor = Qwen2VLImageProcessorPil.from_pretrained(name)
            model: Any = AutoModelForImageTextToText.from_pretrained(name, dtype=getattr(torch, dtype))
        except _LOAD_ERRORS as error:
            raise ModelError(f"cannot load model '{name}': {_one_line(error)}") from None
        if not tokenizer.chat_template:
            raise ModelError(f"model '{name}' has no chat template; add chat_template.jinja to its folder")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(name, model.to(device).eval(), tokenizer, image_processor)

    def with_model(self, model: Any) -> VLM:
        """The same tokenizer and image processor around other weights of the same architecture.

        Prepared pictures are shared, and what a vision tower saw in them, if both models have the same one.
        """
        other = VLM(self.name, model, self.tokenizer, self.image_processor, self._pictures)
        if not all(theirs is ours for theirs, ours in zip(other.vision, self.vision, strict=True)):
            other._pictures = PictureCache(self.image_processor)
        other.plain_because = self.plain_because
        return other

    def save(self, folder: str | Path) -> None:
        """Write weights, tokenizer and image processor in Hugging Face format; `load` reads it back."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.image_processor.save_pretrained(folder)

    def encode(self, picture: Picture, prompt: str) -> EncodedPrompt:
        """Put a user's turn with one picture and a text into the model's chat format.

        Chat markup inside `prompt` is dropped: a text must not be able to end its own turn.

        Raises:
            OSError: the picture cannot be read.
            ModelError: the chat template does not place exactly one picture.
        """
        text = self._markup.sub("", prompt)
        content = [{"type": "image"}, {"type": "text", "text": text}]
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        ids = self.tokenizer(chat, add_special_tokens=False)["input_ids"]
        if ids.count(self.image_token_id) != 1:
            raise ModelError(f"the chat template of '{self.name}' must place one picture in a user's turn")
        pixels = self._pictures.get(picture)
        merge = self.image_processor.merge_size
        place = ids.index(self.image_token_id)
        size = int(pixels["image_grid_thw"].prod()) // merge**2
        token_ids = (*ids[:place], *[self.image_token_id] * size, *ids[place + 1 :])
        return EncodedPrompt(token_ids, picture.id, pixels)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _eos_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, (list, tuple)) else [configured]
    found = {int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None}
    if not found:
        raise ModelError("the model names no end-of-text token; set eos_token_id in generation_config.json")
    return tuple(sorted(found))


def check_model(name: str) -> None:
    """Read the configuration of a model, without its weights.

    Raises:
        ModelError: it is missing, or not of a family or kind that is supported.
    """
    # A hub id is owner/name; asking the hub for anything else would only take long to fail.
    is_hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None
    if not is_hub_id and not Path(name).is_dir():
        raise ModelError(f"no model folder '{name}'; give a folder or a hub id such as Qwen/Qwen2.5-VL-3B-Instruct")
    try:
        config = AutoConfig.from_pretrained(name)
    except _LOAD_ERRORS as error:
        raise ModelError(f"cannot load model '{name}': {_one_line(error)}") from None
    if config.model_type not in FAMILIES:
        raise ModelError(f"model '{name}' is of type {config.model_type}; supported are {', '.join(FAMILIES)}")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
