"""Random sampling of images without replacement, in rounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from visplay.data.random_streams import random_stream
from visplay.errors import ImageError
from visplay.types import ImageRef


class Sampler:
    """Draws from `images` without replacement; after all were drawn, a new round begins.

    Round r is a permutation from the random stream "sampler/round r", so draws depend only on seed and images. If a
    draw reaches into the next round, images that it has already go to the end of that round, so that no draw of at most
    all images contains an image twice.

    Args:
        usable: whether an image can still be used; others are passed over.
    Raises:
        ImageError: there are no images.
    """

    def __init__(
        self, images: Sequence[ImageRef], seed: int, usable: Callable[[ImageRef], bool] = lambda image: True
    ) -> None:
        if not images:
            raise ImageError("there are no images to draw from")
        self._images = tuple(images)
        self._seed = seed
        self._usable = usable
        self._begin(0, ())

    def take(self, n: int) -> tuple[ImageRef, ...]:
        """The next `n` images, from several rounds if `n` exceeds the number of images.

        Raises:
            ValueError: `n` is negative.
            ImageError: no image of a whole round can be used.
        """
        if n < 0:
            raise ValueError(f"cannot draw {n} images")
        drawn: list[int] = []
        passed = 0  # images in a row that cannot be used; two rounds of them are all images
        while len(drawn) < n:
            if self._drawn == len(self._order):
                self._begin(self._round + 1, drawn)
            part = self._order[self._drawn : self._drawn + n - len(drawn)]
            self._drawn += len(part)
            usable = [index for index in part if self._usable(self._images[index])]
            drawn += usable
            passed = 0 if usable else passed + len(part)
            if passed >= 2 * len(self._images):
                raise ImageError("no image can be read any more; put them back, then continue with --resume")
        return tuple(self._images[index] for index in drawn)

    def state(self) -> dict[str, Any]:
        """The position in the stream as JSON values, for `restore`."""
        return {
            "images": self._fingerprint(),
            "seed": self._seed,
            "round": self._round,
            "drawn": self._drawn,
            "held_back": list(self._held_back),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a result of `state`.

        Raises:
            ImageError: the state belongs to other images.
        """
        if state["images"] != self._fingerprint():
            raise ImageError("the images differ from those at the run's start; restore them, or start a new run")
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
