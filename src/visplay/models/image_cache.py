"""Preprocessed images and their vision features, cached so that no image is prepared or encoded twice without need.

Shapes: T image tokens, H hidden size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import torch
from PIL import Image

from visplay.types import ImageRef

MOST_BYTES = 2**30  # capacity of the cache


class Features(NamedTuple):
    """The vision tower's output for a prompt's images.

    Attributes:
        pooled: the embeddings of the image tokens, (T, H), or (tiles, T / tiles, H) if the image was cut into tiles.
            Empty if all of an image is in `deep_TH`.
        deep_TH: what is added at some decoder layers (DeepStack, arXiv 2406.04334); mostly empty.
        listed: whether the model's code expects a list with one tensor per image instead of one tensor.
        layers: the decoder layers of `deep_TH`; empty if they are the first ones.
    """

    pooled: torch.Tensor
    deep_TH: tuple[torch.Tensor, ...]
    listed: bool
    layers: tuple[int, ...] = ()

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.pooled, *self.deep_TH))


class Pixels(dict[str, torch.Tensor]):
    """The model's keyword arguments for a prompt's images.

    For the Qwen families `pixel_values`, float32 (patches, values per patch), and `image_grid_thw`, int64 (1, 3).
    """

    texts: tuple[str, ...] = ("",)  # the markup that replaces each image's placeholder in the prompt
    features: Features | None = None  # of a frozen vision tower; None until the tower has run
    held = False  # by the cache

    @property
    def kind(self) -> tuple[tuple[str, torch.Size], ...]:
        """Names and shapes that must be equal before tensors of several prompts can be concatenated."""
        return tuple((name, tensor.shape[1:]) for name, tensor in self.items())

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.values()) + (self.features.nbytes if self.features else 0)


class ImageCache:
    """Least-recently-used cache of preprocessed images, at most `MOST_BYTES` large.

    Args:
        prepare: gives the model's keyword arguments for a prompt's decoded images, and the markup of each image.
    """

    def __init__(self, prepare: Callable[[list[Image.Image]], tuple[dict[str, torch.Tensor], list[str]]]) -> None:
        self._prepare = prepare
        self._entries: OrderedDict[ImageRef, Pixels] = OrderedDict()
        self._bytes = 0

    def get(self, image: ImageRef) -> Pixels:
        """The tensors of an image, or of all images of an album; UnreadableImage if an image cannot be read."""
        if image in self._entries:
            self._entries.move_to_end(image)
            return self._entries[image]
        # Autograd cannot use tensors that were made in inference mode.
        with torch.inference_mode(False):
            tensors, texts = self._prepare([part.load() for part in image.parts])
        pixels = self._entries[image] = Pixels(tensors)
        pixels.texts, pixels.held = tuple(texts), True
        self._add_bytes(pixels.nbytes)
        return pixels

    def keep(self, pixels: Pixels, features: Features) -> None:
        """Store the vision features of an image; evict old images beyond the capacity."""
        pixels.features = features
        if pixels.held:
            self._add_bytes(features.nbytes)

    def _add_bytes(self, size: int) -> None:
        self._bytes += size
        while self._bytes > MOST_BYTES and len(self._entries) > 1:
            _, evicted = self._entries.popitem(last=False)
            evicted.held = False
            self._bytes -= evicted.nbytes
