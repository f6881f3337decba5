"""Sources of unlabeled images, and drawing from them."""

from __future__ import annotations

from visplay.images.catalogue import Catalogue, ImageError, Skipped
from visplay.images.easy_vqa import easy_vqa
from visplay.images.folder import folder
from visplay.images.sampler import Sampler

__all__ = ["Catalogue", "ImageError", "Sampler", "Skipped", "easy_vqa", "folder", "open_images"]


def open_images(name: str) -> Catalogue:
    """The catalogue of a source: "easy-vqa", or a folder of images (`./easy-vqa` names a folder).

    Raises:
        ImageError: the source cannot be used.
    """
    return easy_vqa() if name == "easy-vqa" else folder(name)
