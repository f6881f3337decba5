"""Images as a model takes them, kept so that none is prepared or seen twice without need.

Shapes: T image tokens, H hidden size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image

from visplay.types import ImageRef

MOST_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Features:
    """What a vision tower said of an image, as the language model takes it.

    Attributes:
        pooled: the embeddings of the image tokens, (T, H), or (tiles, T / tiles, H) where the image was cut.
        deep_TH: what is added to them after the first decoder layers, one tensor a layer (DeepStack,
            arXiv 2406.04334); empty for most families.
        listed: whether the model's code wants a list of images, not one tensor.
    """

    pooled: torch.Tensor
    deep_TH: tuple[torch.Tensor, ...]
    listed: bool

    def __len__(self) -> int:
        """Image tokens."""
        return self.pooled.shape[:-1].numel()

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.pooled, *self.deep_TH))


class Pixels(dict[str, torch.Tensor]):
    """The model's own keyword arguments for a prompt's images, mostly one, such as `pixel_values`, `image_grid_thw`.

    Attributes:
        texts: the markup that stands for each of the prompt's images.
        features: what a vision tower that nobody trains saw; None before it looked.
    """

    texts: tuple[str, ...] = ("",)
    features: Features | None = None

    @property
    def kind(self) -> tuple[tuple[str, torch.Size], ...]:
        """What must agree for the tensors of prompts to be joined along their first axis."""
        return tuple((name, tensor.shape[1:]) for name, tensor in self.items())

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.values()) + (self.features.nbytes if self.features else 0)


class ImageCache:
    """Preprocessed images, the least recently used forgotten beyond a number of bytes.

    Args:
        prepare: the decoded images of a prompt as the model's keyword arguments, and the text that stands for each.
    """

    def __init__(self, prepare: Callable[[list[Image.Image]], tuple[dict[str, torch.Tensor], list[str]]]) -> None:
        self._prepare = prepare
        self._entries: OrderedDict[ImageRef, Pixels] = OrderedDict()
        self._held: set[int] = set()
        self._bytes = 0

    def get(self, image: ImageRef) -> Pixels:
        """The tensors of an image, or of an album's images together.

        Raises:
            OSError: it cannot be read.
        """
        if image in self._entries:
            self._entries.move_to_end(image)
            return self._entries[image]
        # Tensors born in inference mode could not be used for training later.
        with torch.inference_mode(False):
            tensors, texts = self._prepare([part.load() for part in image.parts])
        pixels = Pixels(tensors)
        pixels.texts = tuple(texts)
        self._entries[image] = pixels
        self._held.add(id(pixels))
        self._grown(pixels.nbytes)
        return pixels

    def keep(self, pixels: Pixels, features: Features) -> None:
        """Remember what was seen in an image, and forget what no longer fits."""
        pixels.features = features
        if id(pixels) in self._held:
            self._grown(features.nbytes)

    def _grown(self, size: int) -> None:
        self._bytes += size
        while self._bytes > MOST_BYTES and len(self._entries) > 1:
            _, forgotten = self._entries.popitem(last=False)
            self._held.remove(id(forgotten))
            self._bytes -= forgotten.nbytes
