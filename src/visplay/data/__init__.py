"""Sources of unlabeled images, and drawing from them."""

from __future__ import annotations

from visplay.data.catalogue import Catalogue, Skipped
from visplay.data.easy_vqa import easy_vqa
from visplay.data.folder import folder
from visplay.data.sampler import Sampler
from visplay.errors import ImageError

__all__ = ["Catalogue", "ImageError", "Sampler", "Skipped", "easy_vqa", "folder", "open_source"]


def open_source(name: str) -> Catalogue:
    """The catalogue of a source: "easy-vqa", or a folder of images (`./easy-vqa` names a folder).

    Raises:
        ImageError: the source cannot be used.
    """
    return easy_vqa() if name == "easy-vqa" else folder(name)
