"""Decoding without token trees: transformers' `generate` on padded sequences, with visplay's random streams.

It is valid for every model family, and slower than tree decoding by about the number of answers per image.

Shapes: N completions of a batch, M of them that are unfinished, T tokens, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from visplay.errors import UnreadableImage
from visplay.generation.batching import BatchLimits, ItemSize, decoding, make_batches
from visplay.generation.sampling import PendingCompletion, PendingCompletions
from visplay.interfaces.engine import Sampling
from visplay.models.vlm import VLM, EncodedPrompt
from visplay.types import Completion, ImageRef

_Row = tuple[PendingCompletion, EncodedPrompt]


def decode_padded(
    vlm: VLM, pending: Sequence[PendingCompletion], sampling: Sampling, seed: int, limits: BatchLimits
) -> Iterator[Completion]:
    """All completions but those on unreadable images, decoded in batches within `limits`; in no particular order."""

    def size(row: _Row) -> ItemSize:
        # Only images of one kind can be concatenated.
        return ItemSize(1, len(row[1].token_ids), row[1].pixels.kind)

    for batch in make_batches(_rows(vlm, pending), size, limits):
        with decoding(BatchLimits(len(batch), len(batch) * max(size(row).tokens for row in batch))):
            completions = _decode(vlm, batch, sampling, seed)
        yield from completions


def _rows(vlm: VLM, pending: Sequence[PendingCompletion]) -> Iterator[_Row]:
    """Rows by image, images with long prompts first; neighbours have similar lengths, so there is little padding."""
    longest: dict[ImageRef, int] = {}
    for request, _ in pending:
        longest[request.image] = max(longest.get(request.image, 0), len(request.prompt))
    place = {image: n for n, image in enumerate(sorted(longest, key=longest.__getitem__, reverse=True))}

    def prompt_of(completion: PendingCompletion) -> tuple[int, str]:
        return place[completion.request.image], completion.request.prompt

    for _, same_prompt in groupby(sorted(pending, key=prompt_of), key=prompt_of):
        completions = list(same_prompt)
        try:
            encoded = vlm.encode(completions[0].request.image, completions[0].request.prompt)
        except UnreadableImage:
            continue
        yield from ((completion, encoded) for completion in completions)


def _decode(vlm: VLM, rows: Sequence[_Row], sampling: Sampling, seed: int) -> list[Completion]:
    pending = PendingCompletions([completion for completion, _ in rows], vlm, sampling, seed)
    prompts = [prompt for _, prompt in rows]
    ids_NT = pad_sequence([torch.tensor(p.token_ids) for p in prompts], True, vlm.pad_id, padding_side="left")
    length_N = torch.tensor([len(p.token_ids) for p in prompts])
    mask_NT = torch.arange(ids_NT.shape[1]) >= ids_NT.shape[1] - length_N[:, None]
    _without_habits(vlm.model).generate(
        input_ids=ids_NT.to(vlm.device),
        attention_mask=mask_NT.long().to(vlm.device),
        generation_config=GenerationConfig(
            do_sample=False,
            max_new_tokens=pending.limit,
            eos_token_id=list(vlm.eos_ids),
            pad_token_id=vlm.pad_id,
        ),
        logits_processor=LogitsProcessorList([_ForceDrawnTokens(pending, ids_NT.shape[1])]),
        **vlm.token_types(ids_NT.to(vlm.device)),
        **{name: torch.cat([p.pixels[name] for p in prompts]).to(vlm.device) for name in prompts[0].pixels},
    )
    return list(pending.completions())


def _without_habits(model: Any) -> Any:
    """The same model without the decoding habits of its checkpoint.

    `generate` fills what its `generation_config` leaves open from the model's own: banned n-grams and tokens, biases,
    penalties, forced ends, stop strings, beams, assistants. The trainer's log-probabilities know nothing of them.
    """
    free = copy.copy(model)  # the same weights; the model keeps its habits for those who use it after training
    free.generation_config = GenerationConfig()
    return free


class _ForceDrawnTokens(LogitsProcessor):
    """Draws the next tokens, and masks all others so that `generate`'s greedy decoding selects them."""

    def __init__(self, pending: PendingCompletions, prompt_length: int) -> None:
        self._pending = pending
        self._prompt_length = prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        live_M = (~self._pending.finished_N).nonzero()[:, 0]
        tokens_N = self._pending.draw(input_ids.shape[1] - self._prompt_length, live_M, scores[live_M])
        return torch.full_like(scores, float("-inf")).scatter_(1, tokens_N[:, None], 0.0)
