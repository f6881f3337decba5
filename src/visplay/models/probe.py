"""The probe: measures on a sample whether visplay's log-probabilities are those of transformers' own forward pass.

The reference is the whole model, one sequence at a time: its own vision tower, positions, mask, and logits. Padded
sequences must agree with it, or the model is refused. Token trees must agree too, or the model uses the padded path.

How much rounding explains is not known beforehand: in bfloat16 a right tree of a large model can be as far off as a
wrong tree of a small one. So trees are also broken on purpose, and a right one must be far closer than they are. For
eight tiny families with random weights of 0.15 (in brackets: of 0.02, where little depends on anything), the mean
difference in nats was

| a tree that | float32 | bfloat16 | |
|---|---|---|---|
| is right | 4.5e-7 (8.9e-8) | 1.2e-3 (6.4e-5) | at most |
| lets nodes see all earlier ones | 0.48 (2.1e-2) | 0.49 (2.1e-2) | at least |
| has positions half as far apart | 0.69 (5.7e-4) | 0.70 (9.1e-4) | at least |
| has the positions of the packed row | 0.50 (3.9e-4) | 0.50 (6.9e-4) | at least |
| lets nodes see one node too many | 3.7e-2 (1.3e-3) | 3.8e-2 (1.5e-3) | at least |
| has positions one too far after the image | 0.19 (9.3e-5) | 0.19 (5.2e-4) | at least |

The tolerance is a twentieth of the second figure or a third of the third, whichever is less, as they are for the model
at hand. A model that makes no use of positions is taken for one that trees are wrong for, and uses the slower path.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visplay.errors import ModelError, VisplayError, one_line
from visplay.models.image_cache import Pixels
from visplay.models.out_of_memory import is_out_of_memory
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef

_PROMPTS = ("What is this?", "What colour is the largest thing?")
# Most nats that rounding explains, however far off a broken tree is.
_LARGEST = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
# Nats that rounding explains also where nothing that is broken on purpose makes a difference.
_ROUNDING = {dtype: largest / 50 for dtype, largest in _LARGEST.items()}


class Probe(NamedTuple):
    """Why the model uses the padded path, and mean differences of log-probabilities from transformers' own, in nats.

    Attributes:
        padded_because: empty for token trees.
        difference: of token trees, or None if the model's configuration rules them out.
        tolerance: the largest difference that is accepted; None with `difference`.
        padded_difference: of padded sequences.
    """

    padded_because: str
    difference: float | None
    tolerance: float | None
    padded_difference: float

    def __str__(self) -> str:
        if self.difference is None:
            return (
                f"padded path: {self.padded_because}; it agrees with transformers to {self.padded_difference:.1e} nats"
            )
        off = f"{self.difference:.1e} nats on a sample, with a tolerance of {self.tolerance:.1e}"
        if self.padded_because:
            return f"padded path: {self.padded_because} (by {off})"
        return f"token trees, which agree with transformers to {off}"


def probe(vlm: VLM) -> Probe:
    """Choose between token trees and the padded path, and set `vlm.padded_because`.

    Raises:
        ModelError: not even padded sequences have the log-probabilities of transformers' own forward pass, or the model
            cannot be run in this way.
    """
    try:
        with torch.no_grad():
            found = _compare(vlm)
    except VisplayError:
        raise
    except (AttributeError, TypeError, KeyError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        kind = vlm.model.config.model_type
        raise ModelError(f"visplay cannot compute with models of type {kind}: {one_line(error)}") from None
    vlm.padded_because = found.padded_because
    return found


class _Sample(NamedTuple):
    """Sequences on one image, with the first token of each that is scored."""

    pixels: Pixels
    sequences: list[tuple[int, ...]]
    starts: list[int]

    def scores(self, vlm: VLM, trees: Sequence[TokenTree], padded: bool) -> Tensor:
        """visplay's log-probabilities of all tokens that are scored, by one tree or by one for each sequence."""
        starts = [self.starts] if len(trees) == 1 else [[start] for start in self.starts]
        scores = vlm.logprobs(trees, [self.pixels] * len(trees), starts, padded=padded)
        return scores.logprobs_ST[scores.mask_ST]

    def reference(self, vlm: VLM) -> Tensor:
        """The same by transformers alone."""
        pixels = {name: tensor.to(vlm.device) for name, tensor in self.pixels.items()}
        found = []
        for sequence, start in zip(self.sequences, self.starts, strict=True):
            ids_1T = torch.tensor([sequence], device=vlm.device)
            logits_1TV = vlm.model(
                input_ids=ids_1T,
                attention_mask=torch.ones_like(ids_1T),
                use_cache=False,
                **vlm.token_types(ids_1T),
                **pixels,
            ).logits
            logprobs_TV = logits_1TV[0, start - 1 : -1].float().log_softmax(-1)
            found.append(logprobs_TV.gather(1, ids_1T[0, start:, None])[:, 0])
        return torch.cat(found)


class _SeesAll(TokenTree):
    """A tree that is broken on purpose: its nodes see all earlier ones."""

    __slots__ = ()

    def ends_L(self) -> np.ndarray:
        return np.full(len(self), len(self))


def _squeezed(tree: TokenTree) -> TokenTree:
    """A tree that is broken on purpose: its positions are half as far apart."""
    return replace(tree, depth_L=tree.depth_L // 2)


def _compare(vlm: VLM) -> Probe:
    sample = _sample(vlm)
    own = sample.reference(vlm)

    def distance(trees: Sequence[TokenTree], padded: bool = False) -> float:
        return float((sample.scores(vlm, trees, padded) - own).abs().mean())

    # On a CPU with AVX512-BF16, bitsandbytes multiplies 4-bit weights in bfloat16, also for float32 activations.
    rounds = getattr(vlm.model, "is_loaded_in_4bit", False) and vlm.device.type == "cpu"
    dtype = torch.bfloat16 if rounds else vlm.model.dtype

    rows = [TokenTree.build([sequence]) for sequence in sample.sequences]
    padded, broken = distance(rows, padded=True), distance([_squeezed(row) for row in rows], padded=True)
    # NaN <= tolerance is False, so NaN does not count as agreement.
    if not padded <= min(_LARGEST[dtype], max(_ROUNDING[dtype], broken / 10)):
        raise ModelError(
            f"visplay cannot train models of type {vlm.model.config.model_type}: on a sample, its log-probabilities "
            f"differ from those of transformers by {padded:.1e} nats; take a model of another type"
        )
    if vlm.padded_because:
        return Probe(vlm.padded_because, None, None, padded)
    tree = TokenTree.build(sample.sequences)
    sees_all = _SeesAll(tree.ids_L, tree.parent_L, tree.depth_L, tree.paths)
    tolerance = min(_LARGEST[dtype], distance([sees_all]) / 20, distance([_squeezed(tree)]) / 3)
    difference = distance([tree])
    because = "" if difference <= tolerance else "token trees and separate sequences differ"
    return Probe(because, difference, tolerance, padded)


def _sample(vlm: VLM) -> _Sample:
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
    return _Sample(prompt.pixels, sequences, starts)


def _tokens(vlm: VLM, random: np.random.Generator, size: int) -> tuple[int, ...]:
    """Random tokens, without image and video placeholders."""
    allowed = np.setdiff1d(np.arange(vlm.head.out_features), vlm.placeholder_ids)
    return tuple(random.choice(allowed, size).tolist())
