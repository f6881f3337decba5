"""The suite `file`: labelled questions of the user's own."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from visplay.evaluation.labelled import read_labelled
from visplay.interfaces.suite import SuiteSource
from visplay.types import Suite


class LabelledFile(SuiteSource, type="file"):
    """The usable rows of a labelled file: JSON Lines, CSV, TSV, Parquet, or a saved dataset."""

    path: Path = Field(description="the file; docs/evaluation.md describes its columns")

    def open(self, seed: int, items: int | None) -> tuple[Suite, ...]:
        return (read_labelled(self.path).suite,)

    def __str__(self) -> str:
        return str(self.path)
