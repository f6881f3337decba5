"""Images that a task source makes from unlabeled ones, such as a turned picture.

No file holds them. Their id, `<id of the original>~<task>(<numbers>)`, says how to make them again, so a silver set
keeps them as it keeps any image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, unquote

from PIL import Image

from visplay.errors import ConfigError, UnreadableImage, one_line
from visplay.images.budget import decoding_budget
from visplay.interfaces.component import components
from visplay.interfaces.task_source import TaskSource
from visplay.types import ImageRef

_ID = re.compile(r"(?s)(.*)~([\w-]+)\(((?:\d{1,9}(?:,\d{1,9})*)?)((?:;[^;~()]*){0,8})\)")
_BYTES_PER_PIXEL = 16  # most that a task holds for a pixel of its first original


@dataclass(frozen=True, slots=True)
class MadeImage(ImageRef):
    """An image that the task source `task` makes of other images when it is loaded; see `TaskSource.make`."""

    task: str
    numbers: tuple[int, ...]
    parents: tuple[ImageRef, ...]

    @property
    def made(self) -> bool:
        return True

    @property
    def originals(self) -> tuple[ImageRef, ...]:
        return self.parents

    def load(self) -> Image.Image:
        """The made image, see `ImageRef.load`; UnreadableImage if an original cannot be read."""
        decoded = [image.load() for image in self.parents]
        maker = cast(type[TaskSource], components("task_source")[self.task])
        try:
            with decoding_budget().hold(_BYTES_PER_PIXEL * decoded[0].width * decoded[0].height):
                return maker.make(decoded, self.numbers)
        except (ValueError, IndexError, OverflowError, NotImplementedError) as error:
            raise UnreadableImage(self.id, f"{self.task} makes no image of it: {one_line(error)}") from None


def made(task: str, numbers: Sequence[int], originals: Sequence[ImageRef]) -> MadeImage:
    """The image that a task source makes of `originals`, at least one, by `numbers`, none below 0; decodes nothing.

    Raises:
        ConfigError: no task source has the name, so nothing could make the image again.
    """
    if task not in components("task_source"):
        wanted = f"no task source '{task}' to make its images again"
        raise ConfigError(f"{wanted}; write `class Mine(TaskSource, type='mine')`")
    first, *others = originals
    with_others = "".join(f";{_quoted(image.id)}" for image in others)
    name = f"{first.id}~{task}({','.join(map(str, numbers))}{with_others})"
    return MadeImage(name, b"", task, tuple(numbers), tuple(originals))


def image_by_id(name: str, images: Mapping[str, ImageRef]) -> ImageRef:
    """The image of an id: one of `images`, which are by id, or made of them; KeyError for any other id."""
    if name in images:
        return images[name]
    found = _ID.fullmatch(name)
    if found is None or found[2] not in components("task_source"):
        raise KeyError(name)
    originals = [found[1], *(unquote(other, errors="surrogatepass") for other in found[4].split(";")[1:])]
    numbers = [int(number) for number in found[3].split(",") if number]
    return made(found[2], numbers, [images[original] for original in originals])


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
