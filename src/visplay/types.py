"""The values that travel through the loop: small and frozen. They refer to one another by ids, never by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

from visplay.errors import ImageError, UnreadableImage
from visplay.images.decode import Content, decode, read

QuestionType = Literal["multiple choice", "numerical", "regression", "open"]
Augmentation = Literal[
    "plain", "shifted", "smaller", "larger", "dimmer", "darker", "brighter", "recoloured", "mirrored"
]

AnswersAre = Literal["index", "number", "letter", "text"]
"""How an answer beside options names one: by its place counted from 0 or from 1, by its letter, or by its text."""


class StepId(NamedTuple):
    """A step of a run, such as (2, "reasoner", 0). Iteration 0 is done with the base; `step` counts from 0."""

    iteration: int
    phase: str
    step: int


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An unlabeled image: an id unique in its source, where its bytes are, and what they held when examined."""

    id: str
    data: Path | bytes
    content: Content | None = field(default=None, kw_only=True, compare=False)

    @property
    def parts(self) -> tuple[ImageRef, ...]:
        """The single images it consists of, in order."""
        return (self,)

    @property
    def placed(self) -> bool:
        """Whether marks in the prompt say where its images stand; otherwise they stand before the text."""
        return False

    @property
    def made(self) -> bool:
        """Whether a task source made it, so that the answer to its question is known by construction."""
        return False

    @property
    def originals(self) -> tuple[ImageRef, ...]:
        """The images that it is made of: itself, unless it is `made`."""
        return (self,)

    def load(self) -> Image.Image:
        """Decode to `upright_rgb`; UnreadableImage if the bytes are missing, other than `content` says, or damaged."""
        encoded = self.read()
        try:
            return decode(encoded)
        except ImageError as error:
            raise UnreadableImage(self.id, str(error)) from None

    def read(self) -> bytes:
        """The encoded bytes; UnreadableImage if they are missing, or other than `content` says."""
        try:
            encoded = read(self.data)
        except ImageError as error:
            raise UnreadableImage(self.id, str(error)) from None
        if isinstance(self.data, Path) and self.content and Content.of(encoded) != self.content:
            raise UnreadableImage(self.id, "its contents changed")
        return encoded


@dataclass(frozen=True, slots=True)
class ImageList(ImageRef):
    """Several images that belong to one prompt; `of` makes one, and `load` is for its parts alone.

    `text`, where it is not empty, is the question whose marks `<image 1>`, `<image 2>`, … place the images. It is a
    part of the identity, because prompts that do not begin alike share no token tree, though they show the same images.
    """

    images: tuple[ImageRef, ...]
    text: str = field(default="", kw_only=True)

    @classmethod
    def of(cls, images: Sequence[ImageRef], text: str = "") -> ImageRef:
        """The image itself where there is one before the text, else all of them under the joined ids."""
        if len(images) == 1 and not text:
            return images[0]
        return cls("+".join(image.id for image in images), b"", tuple(images), text=text)

    @property
    def placed(self) -> bool:
        return bool(self.text)

    @property
    def parts(self) -> tuple[ImageRef, ...]:
        return self.images


@dataclass(frozen=True, slots=True)
class Request:
    """`n` completions wanted of one prompt on one image.

    `id`, unique within a call of an engine, names the random streams: completion `index` draws from (run seed, id,
    index) alone. Ids of training hold iteration and step; acceptance and evaluation repeat theirs, so that iterations
    are compared in pairs. `greedy` takes the most probable token each time, whatever the sampling of the call.
    `schema` is a JSON schema that the text must follow, for engines with guided decoding; the others do without. No
    such completion is trained on, because its tokens are not those that the policy would have drawn.
    """

    id: str
    image: ImageRef
    prompt: str
    n: int = 1
    greedy: bool = False
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation of a request's prompt.

    `logprobs` are the natural-log probabilities of `token_ids` under the policy that sampled them, at its temperature
    (1 for greedy decoding and for servers), before any top-k or top-p cut. `finished`: the model ended the text itself.
    """

    request_id: str
    index: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finished: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A question about an image; `source` is who asked: "questioner", or the name of a task source.

    `skill` is what it takes, in the words of the source, such as "counting" or "comparison/bigger", a family of
    comparisons; empty where the source does not say.
    """

    id: str
    image: ImageRef
    type: QuestionType
    text: str
    source: str = "questioner"
    skill: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """One Reasoner answer to a question; `answer` is None without a box.

    `index` counts a question's votes over all `augmentation`s. `logprob` is the mean log-probability of its tokens.
    """

    question_id: str
    index: int
    answer: str | None
    text: str
    augmentation: Augmentation = "plain"
    logprob: float = 0.0


@dataclass(frozen=True, slots=True)
class VoteResult:
    """The answer to a question; `confidence` is its share of all `votes`, boxed or not, or of other evidence.

    `answer` is None if no vote was boxed, or if a labeler found that other evidence contradicts the votes.
    """

    question_id: str
    answer: str | None
    confidence: float
    votes: int
    unboxed: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a labeler read beside the votes, such as a list of the things on the image, and what follows from it.

    Example: `Evidence("red car, dog", "1")` for "how many cars are there?"; `finding` is None if nothing follows.
    `form` is how well it could be read, where that is counted: "clean", "repaired" or "unreadable".
    """

    text: str
    finding: str | None
    form: str = ""


@dataclass(frozen=True, slots=True)
class WrittenRecord:
    """What the Reasoner wrote when it was asked for a record of an image; `visplay.labeling.records` reads it.

    `complete` are kinds of which this model's records always list all things; `finished` as in `Completion`.
    """

    text: str
    finished: bool
    complete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid question with its votes and their result; gates decide whether it becomes a `SilverItem`.

    `evidence` is for the record of what was asked, and decides nothing.
    """

    question: Question
    votes: tuple[Vote, ...]
    result: VoteResult
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class SilverItem:
    """A question with the answer the votes gave it, kept for the Reasoner to learn."""

    question: Question
    answer: str
    confidence: float
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The completions of one request with their rewards, `rewards[i]` that of `completions[i]`, ready for GRPO.

    `baseline` is the mean and standard deviation of earlier rewards. A group of equal rewards is compared with it.
    """

    request: Request
    completions: tuple[Completion, ...]
    rewards: tuple[float, ...]
    weight: float = 1.0
    baseline: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if [c.request_id for c in self.completions] != [self.request.id] * len(self.rewards):
            raise ValueError(f"group {self.request.id} has another number of rewards, or another request's completion")


@dataclass(frozen=True, slots=True)
class Item:
    """A labelled question of a benchmark, which training never sees.

    `choices` are shown as lettered options; `answer` is then an option's letter or text. `kind` is such as "yes/no".
    `matches` tells whether a given answer equals `answer`; None is the comparison of typed answers.
    `other_answers` are as right as `answer`. `right_choices` are positions: all of them, in any order, are the answer;
    where there are none, `answer` says which choice is right.
    """

    id: str
    image: ImageRef
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    kind: str = ""
    matches: Callable[[str, str], bool] | None = None
    other_answers: tuple[str, ...] = ()
    right_choices: tuple[int, ...] = ()

    @property
    def reference(self) -> str:
        """All right answers in one text, for a reader."""
        return " or ".join((self.answer, *self.other_answers))


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of items with unique ids; suites may share items, ids and all."""

    name: str
    items: tuple[Item, ...]

    def __post_init__(self) -> None:
        if len({item.id for item in self.items}) != len(self.items):
            raise ValueError(f"suite {self.name} holds two items with the same id")
