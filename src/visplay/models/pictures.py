"""Pictures as a model takes them, kept so that none is prepared or seen twice without need."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from visplay.records import Picture

_MOST_BYTES = 2**30

Pixels = dict[str, torch.Tensor]
"""`pixel_values` float32 (patches, numbers a patch), `image_grid_thw` int64 (1, 3) in patches; and,
once a frozen vision tower has seen the picture, its `features` (image tokens, H)."""


class PictureCache:
    """Preprocessed pictures, the least recently used forgotten beyond a number of bytes."""

    def __init__(self, image_processor: Any) -> None:
        self._image_processor = image_processor
        self._entries: OrderedDict[Picture, Pixels] = OrderedDict()
        self._held: set[int] = set()
        self._bytes = 0

    def get(self, picture: Picture) -> Pixels:
        """The tensors of a picture.

        Raises:
            OSError: it cannot be read.
        """
        if picture in self._entries:
            self._entries.move_to_end(picture)
            return self._entries[picture]
        # Tensors born in inference mode could not be used for training later.
        with torch.inference_mode(False):
            pixels: Pixels = dict(self._image_processor(images=[picture.load()], return_tensors="pt"))
        self._entries[picture] = pixels
        self._held.add(id(pixels))
        self.grown(pixels, sum(tensor.nbytes for tensor in pixels.values()))
        return pixels

    def grown(self, pixels: Pixels, size: int) -> None:
        """Account for bytes added to an entry, if it is still held, and forget what no longer fits."""
        if id(pixels) not in self._held:
            return
        self._bytes += size
        while self._bytes > _MOST_BYTES and len(self._entries) > 1:
            _, forgotten = self._entries.popitem(last=False)
            self._held.remove(id(forgotten))
            self._bytes -= sum(tensor.nbytes for tensor in forgotten.values())
