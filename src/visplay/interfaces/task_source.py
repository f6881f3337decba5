"""The seam of task sources: questions about unlabeled images that do not come from the Questioner."""

from __future__ import annotations

from collections.abc import Sequence

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
        votes has `result.votes == 0`.
        """
        raise NotImplementedError

    def requests(self) -> tuple[ExtraRequests, ...]:
        """What `tasks` asks the Reasoner about an image."""
        return ()
