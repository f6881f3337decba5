"""Images named one by one, each decoded once before it is trusted, as those of a folder are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from visplay.data.folder import fault
from visplay.interfaces.image_source import Skipped
from visplay.types import ImageRef


def read_files(paths: Sequence[str]) -> tuple[tuple[ImageRef, ...], tuple[Skipped, ...]]:
    """The readable ones in order, each once, and the others with a reason; an image's id is its path."""
    with warnings.catch_warnings():
        # As in `folder`: Pillow only warns of images up to twice its limit, and chats about odd metadata.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        faults = {path: fault(Path(path)) if Path(path).exists() else "no such file" for path in paths}
    images = tuple(ImageRef(path, Path(path)) for path, fault in faults.items() if not fault)
    return images, tuple(Skipped(path, fault) for path, fault in faults.items() if fault)
