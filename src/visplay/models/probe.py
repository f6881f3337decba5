"""Is a token tree valid for this model? Both paths are run on one sample and compared; nothing is guessed."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef

_PROMPTS = ("What is this?", "What colour is the largest thing?")
# Mean difference of log-probabilities, in nats, that rounding explains.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found.

    Attributes:
        plain_because: why the plain path is taken; empty when the tree is.
        difference: mean difference of the two paths' log-probabilities, in nats; None when the
            configuration alone decided.
    """

    plain_because: str
    difference: float | None

    def __str__(self) -> str:
        if self.difference is None:
            return f"plain path: {self.plain_because}"
        if self.plain_because:
            return f"plain path: {self.plain_because} (differences of {self.difference:.1e} nats on a sample)"
        return f"token trees, which agree with the plain path to {self.difference:.1e} nats on a sample"


def probe(vlm: VLM) -> Probe:
    """Choose the path of `vlm`, which takes it from here on."""
    found = Probe(vlm.plain_because, None) if vlm.plain_because else _compare(vlm)
    vlm.plain_because = found.plain_because
    return found


def _compare(vlm: VLM) -> Probe:
    random = np.random.default_rng(0)
    image = _noise(random)
    sequences: list[tuple[int, ...]] = []
    starts: list[int] = []
    for text in _PROMPTS:
        prompt = vlm.encode(image, text)
        shared = _tokens(vlm, random, 4)
        for answer in (
            _tokens(vlm, random, 12),
            (*shared, *_tokens(vlm, random, 6)),
            (*shared, *_tokens(vlm, random, 9)),
        ):
            sequences.append((*prompt.token_ids, *answer))
            starts.append(len(prompt.token_ids))
    trees = [TokenTree.build(sequences)]
    with torch.no_grad():
        tree_ST, plain_ST = (
            score(trees, [prompt.pixels], [starts]).logprobs_ST for score in (vlm.tree_logprobs, vlm.plain_logprobs)
        )
    difference = float((tree_ST - plain_ST).abs().mean())
    # Written so that a difference that is no number is not taken for agreement.
    agree = difference <= _TOLERANCE[vlm.model.dtype]
    return Probe("" if agree else "its token trees are not what it says of separate sequences", difference)


def _tokens(vlm: VLM, random: np.random.Generator, size: int) -> tuple[int, ...]:
    """Any tokens but those that stand for images."""
    allowed = np.setdiff1d(np.arange(vlm.head.out_features), vlm.placeholder_ids)
    return tuple(random.choice(allowed, size).tolist())


def _noise(random: np.random.Generator) -> ImageRef:
    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (56, 84, 3), dtype=np.uint8)).save(buffer, "PNG")
    return ImageRef("probe", buffer.getvalue())
