"""The values that travel through the loop: small, frozen, and carrying ids.

Nothing here knows a model, a file layout or a reward. Two records belong together
because one names the other's id, never because they stand at the same position of
two lists.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

QuestionType = Literal["multiple choice", "numerical", "regression", "open"]
Augmentation = Literal[
    "plain", "shifted", "smaller", "larger", "dimmer", "darker", "brighter", "recoloured", "mirrored"
]


class StepId(NamedTuple):
    """A step of a run. Iteration 0 is what is done with the base model before the first; `step` counts from 0.

    Example: StepId(iteration=2, phase="reasoner", step=0).
    """

    iteration: int
    phase: str
    step: int


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An unlabeled image: an id unique in its source, and where its bytes are."""

    id: str
    data: Path | bytes

    @property
    def parts(self) -> tuple[ImageRef, ...]:
        """The single images it consists of, in order."""
        return (self,)

    def load(self) -> Image.Image:
        """Decode to upright 8-bit RGB; see `upright_rgb`.

        Raises:
            OSError: the bytes are missing or are no readable image.
        """
        with Image.open(self.data if isinstance(self.data, Path) else io.BytesIO(self.data)) as raw:
            return upright_rgb(raw)


@dataclass(frozen=True, slots=True)
class ImageList(ImageRef):
    """Several images that belong to one prompt; `of` makes one."""

    images: tuple[ImageRef, ...]

    @classmethod
    def of(cls, images: Sequence[ImageRef]) -> ImageRef:
        """The image itself where there is one, else all of them under the joined ids."""
        return images[0] if len(images) == 1 else cls("+".join(p.id for p in images), b"", tuple(images))

    @property
    def parts(self) -> tuple[ImageRef, ...]:
        return self.images

    def load(self) -> Image.Image:
        """Not one image: load its `parts`.

        Raises:
            OSError: always.
        """
        raise OSError(f"{self.id} is {len(self.images)} images, not one")


def upright_rgb(image: Image.Image) -> Image.Image:
    """A decoded image of any mode as 8-bit RGB: EXIF rotation applied, transparency over white.

    16-bit grey is divided by 257. Wider integers and floats have no agreed range, so the
    image's own finite range becomes black to white.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(canvas, image).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips: everything above 255 would turn white.
    grey = np.asarray(image).astype(np.float64)
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:
        finite = grey[np.isfinite(grey)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    share = (np.nan_to_num(grey, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    return Image.fromarray(np.rint(share * 255).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class Request:
    """`n` completions wanted of one prompt on one image.

    `id` names the random streams: completion `index` of this request draws from (run seed, id,
    index) and from nothing else. Ids differ within a call of an engine. Acceptance and evaluation
    repeat their ids in every iteration on purpose: the same question then draws from the same
    streams, so that iterations are compared in pairs. Ids of training steps hold the iteration and
    the step. `greedy` takes the most probable token each time, whatever the sampling of the call.
    """

    id: str
    image: ImageRef
    prompt: str
    n: int = 1
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation of a request's prompt.

    `logprobs` are the natural-log probabilities of `token_ids` under the policy that
    sampled them, at the temperature of sampling (1 for greedy decoding and for answers of a server) and before any
    top-k or top-p cut. `finished` says that the model ended the text itself, not the length limit.
    """

    request_id: str
    index: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finished: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A question the Questioner wrote about an image."""

    id: str
    image: ImageRef
    type: QuestionType
    text: str


@dataclass(frozen=True, slots=True)
class Vote:
    """One Reasoner answer to a question; `answer` is None when nothing was boxed.

    `index` counts a question's votes from 0, over all `augmentation`s of its image. `logprob` is the
    mean natural-log probability of the tokens of `text` under the policy that wrote it.
    """

    question_id: str
    index: int
    answer: str | None
    text: str
    augmentation: Augmentation = "plain"
    logprob: float = 0.0


@dataclass(frozen=True, slots=True)
class VoteResult:
    """The majority over a question's votes.

    `confidence` is the share of all `votes` (boxed or not) that fell on `answer`, or of their
    weight where a labeler weighs them; `answer` is None when no vote was boxed, or when a
    labeler found the votes and something else at odds.
    """

    question_id: str
    answer: str | None
    confidence: float
    votes: int
    unboxed: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid question with its votes and their result; gates decide whether it becomes a `SilverItem`."""

    question: Question
    votes: tuple[Vote, ...]
    result: VoteResult


@dataclass(frozen=True, slots=True)
class SilverItem:
    """A question with the answer the votes gave it, kept for the Reasoner to learn."""

    question: Question
    answer: str
    confidence: float
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The completions of one request with their rewards, ready for GRPO.

    `rewards[i]` belongs to `completions[i]`; the two are built together and checked here. `weight`
    is how much the group counts. `baseline` is the mean and standard deviation of earlier rewards,
    which a group whose rewards are all the same is compared with; without it there is nothing to
    learn from such a group.
    """

    request: Request
    completions: tuple[Completion, ...]
    rewards: tuple[float, ...]
    weight: float = 1.0
    baseline: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if len(self.completions) != len(self.rewards):
            raise ValueError(
                f"group {self.request.id}: {len(self.completions)} completions, {len(self.rewards)} rewards"
            )
        if any(c.request_id != self.request.id for c in self.completions):
            raise ValueError(f"group {self.request.id} holds a completion of another request")


@dataclass(frozen=True, slots=True)
class Item:
    """A labelled question of a benchmark; training never sees one.

    `choices`, when there are any, are shown to the model as lettered options, and `answer`
    is then one option's letter or text. `kind` is the suite's own name for the sort of
    question ("yes/no", "colour", …), empty where it has none.
    """

    id: str
    image: ImageRef
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of items with unique ids; suites may share items, ids and all."""

    name: str
    items: tuple[Item, ...]

    def __post_init__(self) -> None:
        if len({item.id for item in self.items}) != len(self.items):
            raise ValueError(f"suite {self.name} holds two items with the same id")
