"""Drawing images at random, every one once before any comes again."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from visplay.data.random_streams import random_stream
from visplay.errors import ImageError
from visplay.types import ImageRef


class Sampler:
    """Draws from `images` without replacement; when all were drawn, a new round begins.

    Round r is a permutation drawn from the random stream "sampler/round r", so the order depends
    on seed and images alone, not on how it is cut into draws. A draw that reaches into the next
    round is the exception: what it already holds goes to that round's end, so that no draw of at
    most all images holds one twice.
    """

    def __init__(self, images: Sequence[ImageRef], seed: int) -> None:
        """Raises ImageError if there is no image."""
        if not images:
            raise ImageError("there are no images to draw from")
        self._images = tuple(images)
        self._seed = seed
        self._begin(0, ())

    def take(self, n: int) -> tuple[ImageRef, ...]:
        """The next `n` images; more than there are means more than one round.

        Raises:
            ValueError: `n` is negative.
        """
        if n < 0:
            raise ValueError(f"cannot draw {n} images")
        drawn: list[int] = []
        while len(drawn) < n:
            if self._drawn == len(self._order):
                self._begin(self._round + 1, drawn)
            part = self._order[self._drawn : self._drawn + n - len(drawn)]
            self._drawn += len(part)
            drawn += part
        return tuple(self._images[index] for index in drawn)

    def state(self) -> dict[str, Any]:
        """Where the stream stands, as JSON values."""
        return {
            "images": self._fingerprint(),
            "seed": self._seed,
            "round": self._round,
            "drawn": self._drawn,
            "held_back": list(self._held_back),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken.

        Raises:
            ImageError: it was taken with other images.
        """
        if state["images"] != self._fingerprint():
            raise ImageError("the images are not those the run began with; put them back, or begin a new run")
        self._seed = state["seed"]
        self._begin(state["round"], state["held_back"])
        self._drawn = state["drawn"]

    def _begin(self, round_: int, held_back: Sequence[int]) -> None:
        order = random_stream(self._seed, f"sampler/round {round_}").permutation(len(self._images)).tolist()
        late = set(held_back)
        self._round = round_
        self._held_back = sorted(late)
        self._order = [i for i in order if i not in late] + [i for i in order if i in late]
        self._drawn = 0

    def _fingerprint(self) -> str:
        ids = "\n".join(image.id for image in self._images)
        return f"{len(self._images)} images, crc32 {zlib.crc32(ids.encode()):08x}"
