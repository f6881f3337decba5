"""The seam of suites: labelled questions that training never sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field

from visplay.interfaces.component import Component
from visplay.types import Suite


class SuiteSource(Component, seam="suite"):
    """Labelled questions under a name: an open half, and a sealed half that no choice may look at."""

    items: int | None = Field(None, ge=1, description="the most items per suite of this source; null for all")

    has_sealed_half: ClassVar[bool] = False
    """Whether `open` takes `sealed=True`; it is never called with it otherwise."""

    def open(self, seed: int, items: int | None, sealed: bool = False) -> tuple[Suite, ...]:
        """The suites of this source, in a fixed order; `seed` is that of generated items.

        Args:
            items: the most items per suite that the caller uses; None for all. A source may return more.
            sealed: the sealed half, under the same names of suites; it shares no item and no image with the open half.
        Raises:
            EvaluationError: the items cannot be read.
        """
        raise NotImplementedError

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any] | Self:
        """`easy_vqa`, `lab`, `lab/TASK`, `lab/TASK/STYLE`, another source's name, or a labelled file."""
        head, _, part = text.partition("/")
        if head == "lab":
            return {"type": "lab", "part": part}
        return {"type": "file", "path": text} if "." in text else {"type": text}
