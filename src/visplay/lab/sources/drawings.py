"""The image source `lab`: drawings of the lab, whose scenes are known."""

from __future__ import annotations

from pydantic import Field, field_validator

from visplay.errors import did_you_mean
from visplay.interfaces.image_source import Catalogue
from visplay.lab.drawings import LAB_DRAWINGS, SOURCES, drawings
from visplay.lab.observer import KnownImages
from visplay.lab.truth import Truth, drawn


class LabSource(KnownImages, type="lab"):
    """Drawings of the lab, generated from the run's seed; their scenes are known."""

    style: str = Field(description=f"one of {', '.join(SOURCES)}: one to six things per image, or one ('single')")
    count: int = Field(LAB_DRAWINGS, ge=1, description="number of drawings")

    @field_validator("style")
    @classmethod
    def _is_known(cls, style: str) -> str:
        if style not in SOURCES:
            meant = did_you_mean(style, SOURCES)
            raise ValueError(
                f"no lab drawings '{style}'{meant}; choose one of {', '.join('lab/' + s for s in SOURCES)}"
            )
        return style

    def open(self, seed: int) -> Catalogue:
        return Catalogue(str(self), drawings(self.style, self.count, seed)[0])

    def truth(self, seed: int) -> Truth:
        return Truth(drawn(drawings(self.style, self.count, seed)[1]))

    def __str__(self) -> str:
        return f"lab/{self.style}"
