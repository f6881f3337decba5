"""What can be read of a model and of images before a run: small files alone, never weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

import torch
from transformers import AutoConfig, GenerationConfig, PreTrainedConfig

from visplay.config import Settings
from visplay.errors import ConfigError
from visplay.models.image_cache import ImageCache
from visplay.models.processor import Processor
from visplay.models.vlm import check_model
from visplay.types import ImageRef

_UNITS = {"": 10**9, "GB": 10**9, "GIB": 2**30, "MB": 10**6, "MIB": 2**20}
_LOOKED_AT = 32  # images whose tokens are counted


def read_bytes(text: str) -> int:
    """Bytes of a text such as 24GB or 80GiB; a number alone means GB.

    Raises:
        ConfigError: it is no such text.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", text.strip())
    if not found or found[2].upper() not in _UNITS or float(found[1]) == 0:
        raise ConfigError(f"'{text}' is no memory size; write it as 24GB or 24GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def device_bytes(otherwise: int = 24 * 10**9) -> int:
    """Memory of the first GPU here."""
    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else otherwise


def read_config(name: str, trust_remote_code: bool = False) -> PreTrainedConfig:
    """The configuration of a folder or hub model.

    Raises:
        ModelError: it is missing, or no model for images and text.
    """
    check_model(name, trust_remote_code)
    config: PreTrainedConfig = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    return config


def longest_answer(name: str, otherwise: int = 1024) -> int:
    """Most tokens of an answer as the model's own settings of generation say."""
    try:
        return int(GenerationConfig.from_pretrained(name).max_new_tokens or otherwise)
    except (OSError, ValueError):
        return otherwise


def count_image_tokens(
    name: str, config: PreTrainedConfig, settings: Settings, images: Sequence[ImageRef]
) -> tuple[float, int]:
    """Mean and most tokens of an image, over some of them, as the family's own processor makes them.

    Raises:
        ConfigError: the processor cannot be had, or not with these bounds of an image's size.
    """
    some = images[:: -(-len(images) // _LOOKED_AT)]
    try:
        processor = Processor.load(name, config, settings.trust_remote_code)
        processor.limit(settings.min_pixels, settings.max_pixels)
        cache = ImageCache(processor.prepare)
        texts = ["".join(cache.get(image).texts) for image in some]
    except (OSError, ValueError, KeyError, ImportError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"cannot count the tokens of images; give --image-tokens N instead ({reason})") from None
    counts = [text.count(processor.image_token) for text in texts]
    return fmean(counts), max(counts)
