"""The seam of task sources: questions about unlabeled images that do not come from the Questioner."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from PIL import Image
from pydantic import Field

from visplay.interfaces.component import Component
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.types import Candidate, ImageRef


class TaskSource(Component, seam="task_source"):
    """Makes questions with silver answers from unlabeled images; it never sees the truth.

    An exact task (which way is this picture turned?) knows the answer because it made the image. A program computes it
    from what the Reasoner says it sees.
    """

    share: float = Field(0.5, gt=0, le=1, description="share of the images of a silver set that this source asks about")

    def tasks(self, images: Sequence[ImageRef], voter: Voter, tag: str, seed: int) -> list[Candidate]:
        """The questions about `images` with their results, at most a few per image, in the order of the images.

        `tag` is the first part of the questions' ids; with `seed` it names the random streams. A candidate without
        votes has `result.votes == 0`. An image that cannot be read is left out.
        """
        raise NotImplementedError

    def requests(self) -> tuple[ExtraRequests, ...]:
        """What `tasks` asks the Reasoner about an image."""
        return ()

    @classmethod
    def make(cls, originals: Sequence[Image.Image], numbers: Sequence[int]) -> Image.Image:
        """The image that `visplay.data.made_images.made` names, made again from what it is made of.

        It depends on the arguments alone, not on settings, because the image outlives them in a silver set. It is as
        large as the first original, so that the sizes that a model and a plan expect hold. ValueError or IndexError for
        numbers that no task has drawn.
        """
        raise NotImplementedError


def image_counts(images: int, sources: Sequence[TaskSource]) -> list[int]:
    """How many of so many images the Questioner and each source get, by the shares; the sum is `images`."""
    ends = [round(images * share) for share in accumulate((source.share for source in sources), initial=0.0)]
    counts = [min(end, images) - start for start, end in pairwise(ends)]
    return [images - sum(counts), *counts]
