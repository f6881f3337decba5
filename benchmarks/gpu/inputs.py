"""Images of noise, prompts, and groups of random completions with random rewards."""

from __future__ import annotations

import numpy as np

from benchmarks import shapes
from benchmarks.questions import lab_questions
from visplay.roles.prompts import Prompts
from visplay.types import Completion, Group, Request


def requests(tag: str, image_tokens: int, images: int, questions: int, votes: int) -> list[Request]:
    """`votes` answers wanted to each of `questions` distinct questions on each of `images` new images."""
    texts = list(dict.fromkeys(lab_questions(50 * questions)))[:questions]
    noise = [shapes.noise(f"{tag}-{i}", image_tokens, _seed(tag, i)) for i in range(images)]
    return [
        Request(f"{tag}/{image.id}/{i}", image, Prompts().answer(text), votes)
        for image in noise
        for i, text in enumerate(texts)
    ]


def group(tag: str, number: int, image_tokens: int, size: int, length: int) -> Group:
    """`size` completions of `length` tokens on a new image."""
    rng = np.random.default_rng([5, number])
    image = shapes.noise(f"{tag}-{number}", image_tokens, _seed(tag, number))
    request = Request(f"{tag}/{number}", image, Prompts().answer("What is this, and why?"), size)
    completions = tuple(
        Completion(request.id, i, shapes.random_tokens(length, rng), (0.0,) * length, "", False) for i in range(size)
    )
    return Group(request, completions, tuple(rng.random(size).tolist()))


def _seed(tag: str, number: int) -> int:
    return 1000 * sum(tag.encode()) + number
