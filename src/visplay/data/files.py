"""Images from a list of files; each file is decoded once to find those that cannot be used."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from visplay.data.sources.folder import fault
from visplay.interfaces.image_source import Skipped
from visplay.types import ImageRef


def read_files(paths: Sequence[str]) -> tuple[tuple[ImageRef, ...], tuple[Skipped, ...]]:
    """The readable images, in order and without repetitions, and the other files; an image's id is its path."""
    with warnings.catch_warnings():
        # As in `folder`.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        faults = {path: fault(Path(path)) if Path(path).exists() else "no such file" for path in paths}
    images = tuple(ImageRef(path, Path(path)) for path, fault in faults.items() if not fault)
    return images, tuple(Skipped(path, fault) for path, fault in faults.items() if fault)
