"""The probe: measures on a sample whether token trees give a model the same log-probabilities as padded sequences."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef

_PROMPTS = ("What is this?", "What colour is the largest thing?")
# Largest mean difference of log-probabilities, in nats, that rounding explains.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


class Probe(NamedTuple):
    """Why the model uses the padded path, empty for token trees, and the mean difference of both paths in nats.

    The difference is None if the model's configuration rules token trees out.
    """

    padded_because: str
    difference: float | None

    def __str__(self) -> str:
        if self.difference is None:
            return f"padded path: {self.padded_because}"
        if self.padded_because:
            return f"padded path: {self.padded_because} (differences of {self.difference:.1e} nats on a sample)"
        return f"token trees, which agree with the padded path to {self.difference:.1e} nats on a sample"


def probe(vlm: VLM) -> Probe:
    """Choose between token trees and the padded path, and set `vlm.padded_because`."""
    found = Probe(vlm.padded_because, None) if vlm.padded_because else _compare(vlm)
    vlm.padded_because = found.padded_because
    return found


def _compare(vlm: VLM) -> Probe:
    random = np.random.default_rng(0)
    noise = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (56, 84, 3), dtype=np.uint8)).save(noise, "PNG")
    image = ImageRef("probe", noise.getvalue())
    sequences: list[tuple[int, ...]] = []
    starts: list[int] = []
    for text in _PROMPTS:
        prompt = vlm.encode(image, text)
        shared, alone, first, second = (_tokens(vlm, random, size) for size in (4, 12, 6, 9))
        for answer in (alone, shared + first, shared + second):
            sequences.append(prompt.token_ids + answer)
            starts.append(len(prompt.token_ids))
    trees = [TokenTree.build(sequences)]
    with torch.no_grad():
        tree_ST, padded_ST = (
            vlm.logprobs(trees, [prompt.pixels], [starts], padded=padded).logprobs_ST for padded in (False, True)
        )
    difference = float((tree_ST - padded_ST).abs().mean())
    # On a CPU with AVX512-BF16, bitsandbytes multiplies 4-bit weights in bfloat16, also for float32 activations.
    rounds = getattr(vlm.model, "is_loaded_in_4bit", False) and vlm.device.type == "cpu"
    # NaN <= tolerance is False, so NaN does not count as agreement.
    agree = difference <= _TOLERANCE[torch.bfloat16 if rounds else vlm.model.dtype]
    return Probe("" if agree else "token trees and separate sequences differ", difference)


def _tokens(vlm: VLM, random: np.random.Generator, size: int) -> tuple[int, ...]:
    """Random tokens, without image and video placeholders."""
    allowed = np.setdiff1d(np.arange(vlm.head.out_features), vlm.placeholder_ids)
    return tuple(random.choice(allowed, size).tolist())
