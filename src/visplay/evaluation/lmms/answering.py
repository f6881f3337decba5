"""A Reasoner that answers the questions of a benchmark: with its own prompt and engine, greedily."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from PIL import Image

from visplay.answers import extract_boxed
from visplay.config import Settings
from visplay.errors import EvaluationError
from visplay.evaluation.suites.file import without_marks
from visplay.images.decode import upright_rgb
from visplay.interfaces.engine import Engine, Sampling
from visplay.models.policy import Policy
from visplay.roles.prompts import Prompts
from visplay.types import ImageList, ImageRef, Request


@dataclass(frozen=True, slots=True)
class Said:
    """An answer; `given` is the boxed answer, None without a box."""

    prompt: str
    text: str
    given: str | None
    finished: bool


@dataclass(frozen=True, slots=True)
class Answerer:
    """Puts questions to an engine with the Reasoner's prompt."""

    engine: Engine
    prompts: Prompts
    max_tokens: int | None  # of an answer; None for the model's own limit
    batch: int  # questions held in memory with their images at once

    @classmethod
    def of(cls, policy: Policy, prompts: Prompts, settings: Settings) -> Answerer:
        """An answerer that decodes in this process, as `visplay eval --suites` does."""
        engine = settings.engine.vote_engine(policy, settings)
        return cls(engine, prompts, settings.reasoner.sampling.max_tokens, settings.engine.batch_size)

    def request(self, task: str, item: int, text: str, images: Sequence[Image.Image]) -> Request:
        """The request for one item of a task; `item` is its place in the task's data.

        Raises:
            EvaluationError: the item has no image, or media other than images.
        """
        if not images or not all(isinstance(image, Image.Image) for image in images):
            shown = "something else than images" if images else "nothing"
            raise EvaluationError(f"item {item} of {task} shows {shown}; leave that task out")
        refs = ImageList.of([_lossless(image) for image in images])
        return Request(f"lmms/{task}/{item}", refs, self.prompts.answer(without_marks(text)), greedy=True)

    def answers(self, requests: Iterable[Request]) -> Iterator[Said]:
        """The most probable answer to each request, in order."""
        left = iter(requests)
        while batch := tuple(islice(left, self.batch)):
            completions = self.engine.generate(batch, Sampling(max_tokens=self.max_tokens))
            for request in batch:
                (completion,) = completions[request.id]
                yield Said(request.prompt, completion.text, extract_boxed(completion.text), completion.finished)


def _lossless(image: Image.Image) -> ImageRef:
    """Equal images have equal ids, so an engine encodes them once."""
    buffer = io.BytesIO()
    upright_rgb(image.copy()).save(buffer, "PNG", compress_level=1)
    data = buffer.getvalue()
    return ImageRef(blake2b(data, digest_size=8).hexdigest(), data)
