"""The image source `easy-vqa`: the 4,000 training images of the easy-vqa package."""

from __future__ import annotations

from visplay.data.easy_vqa import easy_vqa
from visplay.interfaces.image_source import Catalogue, ImageSource
from visplay.interfaces.observer import Observer
from visplay.lab.truth import Truth, read_flat_scene


class EasyVQASource(ImageSource, type="easy-vqa"):
    """The training images of the easy-vqa package, each with one flat shape; their labels are not read."""

    def open(self, seed: int) -> Catalogue:
        return easy_vqa()

    def observer(self, seed: int) -> Observer:
        # Imported late, so that settings can be checked without importing labelers and gates.
        from visplay.lab.observer import LabObserver

        return LabObserver(self.truth(seed))

    def truth(self, seed: int) -> Truth:
        """The true answers for these images, whose scenes are read from the pixels; for measurement only."""
        return Truth(read_flat_scene)

    def __str__(self) -> str:
        return "easy-vqa"
