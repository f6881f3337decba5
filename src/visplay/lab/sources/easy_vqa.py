"""The image source `easy-vqa`: the 4,000 training images of the easy-vqa package, without their questions and answers.

The package is located and not imported, so its questions and answers are not read. Source: V. Zhou, "easy-VQA", a data
set of 64 x 64 drawings of one shape each.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from visplay.errors import ImageError
from visplay.interfaces.image_source import Catalogue
from visplay.lab.observer import KnownImages
from visplay.lab.truth import Truth, read_flat_scene
from visplay.types import ImageRef


class EasyVQASource(KnownImages, type="easy-vqa"):
    """The training images of the easy-vqa package, each with one flat shape; their labels are not read."""

    def open(self, seed: int) -> Catalogue:
        """All training images, ordered by number, with ids such as "easy-vqa/17"."""
        spec = find_spec("easy_vqa")
        if spec is None or spec.origin is None:
            raise ImageError("the package easy-vqa is not installed; run: pip install easy-vqa")
        files = (Path(spec.origin).parent / "data" / "train" / "images").glob("*.png")
        images = tuple(ImageRef(f"easy-vqa/{file.stem}", file) for file in sorted(files, key=lambda f: int(f.stem)))
        if not images:
            raise ImageError("the package easy-vqa has no training images; run: pip install --force-reinstall easy-vqa")
        return Catalogue("easy-vqa", images)

    def truth(self, seed: int) -> Truth:
        return Truth(read_flat_scene)

    def __str__(self) -> str:
        return "easy-vqa"
