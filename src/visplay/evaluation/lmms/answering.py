"""A Reasoner that answers what a benchmark asks: our wording, our engine, greedily."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from PIL import Image

from visplay.answers import extract_boxed
from visplay.config import Settings
from visplay.errors import EvaluationError
from visplay.evaluation.suites.file import without_marks
from visplay.interfaces.engine import Engine, Sampling
from visplay.models.policy import Policy
from visplay.roles.prompts import Prompts
from visplay.types import ImageList, ImageRef, Request, upright_rgb


@dataclass(frozen=True, slots=True)
class Asked:
    """What one item of a task shows and asks; `item` is its place in the task's data."""

    task: str
    item: int
    text: str
    images: tuple[Image.Image, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """The whole text that came back; `given` is what it boxes, None when it boxes nothing."""

    prompt: str
    text: str
    given: str | None
    finished: bool


class Answerer:
    """Puts questions to an engine in the Reasoner's wording.

    Args:
        max_tokens: longest answer, tokens; None for the model's own limit.
        batch: questions held in memory with their images at once.
    """

    def __init__(self, engine: Engine, prompts: Prompts, max_tokens: int | None, batch: int) -> None:
        self.engine = engine
        self.prompts = prompts
        self.sampling = Sampling(max_tokens=max_tokens)
        self.batch = batch

    @classmethod
    def of(cls, policy: Policy, prompts: Prompts, settings: Settings) -> Answerer:
        """One that decodes in this process, as `visplay eval --suites` does."""
        engine = settings.engine.vote_engine(policy, settings)
        return cls(engine, prompts, settings.reasoner.sampling.max_tokens, settings.engine.batch_size)

    def answers(self, asked: Iterable[Asked]) -> Iterator[Said]:
        """The most probable answer to each, in order.

        Raises:
            EvaluationError: an item shows no image, or something else than images.
        """
        left = iter(asked)
        while batch := tuple(islice(left, self.batch)):
            requests = [self._request(one) for one in batch]
            completions = self.engine.generate(requests, self.sampling)
            for request in requests:
                (completion,) = completions[request.id]
                text = completion.text
                yield Said(request.prompt, text, extract_boxed(text), completion.finished)

    def _request(self, asked: Asked) -> Request:
        name = f"{asked.task}/{asked.item}"
        if not asked.images or not all(isinstance(image, Image.Image) for image in asked.images):
            shown = "nothing" if not asked.images else "something else than images"
            raise EvaluationError(f"item {asked.item} of {asked.task} shows {shown}; leave that task out")
        image = ImageList.of([_image(image) for image in asked.images])
        return Request(f"lmms/{name}", image, self.prompts.answer(without_marks(asked.text)), greedy=True)


def _image(image: Image.Image) -> ImageRef:
    """The image without loss; equal images have equal ids, so an engine looks at them once."""
    buffer = io.BytesIO()
    upright_rgb(image).save(buffer, "PNG", compress_level=1)
    data = buffer.getvalue()
    return ImageRef(blake2b(data, digest_size=8).hexdigest(), data)
