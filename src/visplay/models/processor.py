"""A model family's chat template and image preprocessing, by its transformers processor.

The Pillow backend of the image processor prepares images, so torchvision is not needed. Left out: video and audio.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer, PreTrainedConfig
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils.hub import cached_file

from visplay.errors import did_you_mean
from visplay.models.user_turn import keeps_places, user_turn, without_places

# Files that the tokenizer does not write; copies also keep settings that visplay does not use, such as those for video.
_FILES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json", "chat_template.json")
_TEXT_KEYS = {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "text_replacement_offsets"}


class Processor:
    """A model family's processor; its chat template writes an `image_token` for each image."""

    def __init__(self, name: str, processor: Any) -> None:
        self.name = name
        self.tokenizer = processor.tokenizer
        self.image_processor = processor.image_processor
        self.image_token: str = processor.image_token
        self.template_arguments: dict[str, bool | int | float | str] = {}
        self._processor = processor

    @classmethod
    def load(cls, name: str, config: PreTrainedConfig, trust_remote_code: bool = False) -> Processor:
        """Read the processor of a folder or hub model; OSError, ValueError or ImportError if it is missing or fails."""
        if type(config) not in PROCESSOR_MAPPING:
            return cls(name, AutoProcessor.from_pretrained(name, trust_remote_code=trust_remote_code))
        parts = {
            # Without the argument, transformers asks on the terminal whether to run the code of a folder.
            "image_processor": AutoImageProcessor.from_pretrained(
                name, backend="pil", trust_remote_code=trust_remote_code
            ),
            "tokenizer": AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code),
        }
        kind: Any = _without_video(PROCESSOR_MAPPING[type(config)])
        values: dict[str, Any] = {}
        with suppress(OSError):  # a processor without settings has no such file
            values, _ = kind.get_processor_dict(name)
        values.setdefault("chat_template", parts["tokenizer"].chat_template)
        return cls(name, kind.from_args_and_dict([parts.get(part) for part in kind.get_attributes()], values))

    @property
    def chat_template(self) -> str | None:
        """The Jinja chat template; None if the model has none."""
        return cast("str | None", self._processor.chat_template or self.tokenizer.chat_template)

    def prepare(self, images: list[Image.Image]) -> tuple[dict[str, torch.Tensor], list[str]]:
        """The model's keyword arguments for the images of one prompt, and the markup that replaces each placeholder.

        The markup has one image token per image embedding.
        """
        found = self._processor(
            images=[images],
            text=[self.image_token * len(images)],
            return_tensors="pt",
            text_kwargs={"return_text_replacement_offsets": True},
        )
        (replaced,) = found["text_replacement_offsets"]
        tensors = {name: found[name] for name in found if name not in _TEXT_KEYS}
        return tensors, [one["replacement"] for one in replaced]

    def chat(self, text: str, images: int = 1, placed: bool = False) -> str:
        """A chat with one user turn of images and text, up to the start of the answer.

        The images stand before the text; if they are `placed`, where the marks of `user_turn` say. A template that
        shows images first in any case gets a text that names them.
        """
        turn = user_turn(text, images, placed)
        chat = self._render(turn)
        if placed and not keeps_places(chat, turn, self.image_token):
            return self._render([*range(images), without_places(text)])
        return chat

    def _render(self, turn: list[str | int]) -> str:
        content = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in turn]
        turns = [{"role": "user", "content": content}]
        # The tokenizer's method, because that of some processors needs the video processor.
        return str(
            self.tokenizer.apply_chat_template(
                turns,
                chat_template=self.chat_template,
                add_generation_prompt=True,
                tokenize=False,
                **self.template_arguments,
            )
        )

    def give_template(self, arguments: Mapping[str, bool | int | float | str]) -> None:
        """Pass arguments, such as `enable_thinking`, to the chat template; ValueError if it has no such argument."""
        known = set(re.findall(r"\w+", str(self.chat_template or "")))
        for name in arguments:
            if name not in known:
                near = did_you_mean(name, {word for word in known if "_" in word})
                raise ValueError(f"its chat template has no argument '{name}'{near}; leave it out of chat_template")
        self.template_arguments = dict(arguments)

    def limit(self, least: int | None, most: int | None) -> None:
        """Limit the pixels of resized images; ValueError if the family has no such limit, or larger images only."""
        images = self.image_processor
        if least is None and most is None:
            return
        if hasattr(images, "merge_size"):  # the Qwen families: any size, in pixels
            low, high = images.size["shortest_edge"], images.size["longest_edge"]
            images.size = {
                "shortest_edge": least or min(low, most or low),
                "longest_edge": most or max(high, least or high),
            }
        elif least is not None or most is None:
            raise ValueError(f"images of '{self.name}' have no minimum size; leave min_pixels out")
        elif hasattr(images, "image_grid_pinpoints"):  # LLaVA: the grids of tiles to choose among
            grids = [grid for grid in images.image_grid_pinpoints if grid[0] * grid[1] <= most]
            if not grids:
                smallest = min(h * w for h, w in images.image_grid_pinpoints)
                raise ValueError(f"images of '{self.name}' have at least {smallest} pixels; raise max_pixels to that")
            images.image_grid_pinpoints = grids
        elif hasattr(images, "max_image_size"):  # Idefics, SmolVLM: the longer side, cut into square tiles
            tile = images.max_image_size["longest_edge"]
            images.size = {"longest_edge": max(tile, math.isqrt(most) // tile * tile)}
        elif hasattr(images, "max_patches"):  # InternVL: the number of tiles
            images.max_patches = max(1, most // (images.size["height"] * images.size["width"]))
        else:
            raise ValueError(f"images of '{self.name}' have a fixed size; leave max_pixels out")

    def save(self, folder: str | Path) -> None:
        """Write tokenizer, image settings and chat template; transformers and `load` can read them."""
        try:
            self.tokenizer.save_pretrained(folder)
        except Exception as error:
            # The tokenizers' library writes in Rust and raises a plain Exception when the disk is full.
            raise (OSError(str(error)) if type(error) is Exception else error) from None
        self.image_processor.save_pretrained(folder)
        missing = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
        for file in _FILES:
            found = cached_file(self.name, file, **missing)
            if found is not None and not (Path(folder) / file).exists():
                shutil.copyfile(found, Path(folder) / file)
        template = Path(folder) / "chat_template.jinja"
        if not template.exists() and self.chat_template:
            template.write_text(self.chat_template, encoding="utf-8")


def _without_video(kind: Any) -> Any:
    """The processor class without its video processor, which needs torchvision."""

    def check(self: Any, argument_name: str, argument: Any) -> Any:
        return None if argument is None else kind.check_argument_for_proper_class(self, argument_name, argument)

    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})
