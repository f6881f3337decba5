"""The image source `mixture`: images of several sources with known scenes, such as `easy-vqa+lab/pastel`."""

from __future__ import annotations

from pydantic import Field, field_validator

from visplay.interfaces.image_source import Catalogue, ImageSource
from visplay.lab.observer import KnownImages
from visplay.lab.truth import Truth, known_scene


class Mixture(KnownImages, type="mixture"):
    """All images of several sources whose scenes are known: easy-vqa and drawings of the lab."""

    parts: tuple[ImageSource, ...] = Field(min_length=2, description="the sources")

    @field_validator("parts")
    @classmethod
    def _are_known(cls, parts: tuple[ImageSource, ...]) -> tuple[ImageSource, ...]:
        for part in parts:
            if not isinstance(part, KnownImages) or isinstance(part, Mixture):
                raise ValueError(f"'{part}' cannot be mixed; name easy-vqa and drawings such as lab/pastel")
        if len({str(part) for part in parts}) < len(parts):
            raise ValueError("a source is there twice")
        return parts

    def open(self, seed: int) -> Catalogue:
        return Catalogue(str(self), tuple(image for part in self.parts for image in part.open(seed).images))

    def truth(self, seed: int) -> Truth:
        return Truth(known_scene)

    def __str__(self) -> str:
        return "+".join(map(str, self.parts))
