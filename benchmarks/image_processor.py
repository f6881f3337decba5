"""The processor that TRL and a user of transformers' `generate` need for Qwen2.5-VL, without its video half."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase, Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil


class ImageProcessor(Qwen2_5_VLProcessor):
    """transformers' own `Qwen2_5_VLProcessor` of a tokenizer and the Pillow image processor.

    The whole class also insists on a video processor, which needs torchvision; images do not. All that is
    done to them and to the text is inherited.
    """

    def __init__(self, image_processor: Qwen2VLImageProcessorPil, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(image_processor, tokenizer, chat_template=tokenizer.chat_template)


def load_processor(folder: str | Path) -> ImageProcessor:
    """Of a model folder, padding on the left as generation needs it."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    return ImageProcessor(Qwen2VLImageProcessorPil.from_pretrained(folder), tokenizer)
