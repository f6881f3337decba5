"""The image source `folder`: all images below a folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from visplay.data.folder import folder
from visplay.interfaces.image_source import Catalogue, ImageSource


class FolderSource(ImageSource, type="folder"):
    """All readable images below a folder, at any depth."""

    path: Path = Field(description="the folder; hidden files and folders in it are ignored")

    def open(self, seed: int) -> Catalogue:
        return folder(self.path)

    def __str__(self) -> str:
        return str(self.path)
