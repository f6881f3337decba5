"""Decoding where a token tree is not valid: transformers' own `generate`, on our random streams.

Right for any family, and slower than a tree by about the number of answers per image.

Shapes: N answers of a batch, M of them that still run, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from visplay.generation.batching import Bounds, Size, cut
from visplay.generation.decoding_state import Answer, Answers
from visplay.interfaces.engine import Sampling
from visplay.models.vlm import VLM, EncodedPrompt
from visplay.types import Completion, ImageRef


def decode_plain(
    vlm: VLM, answers: Sequence[Answer], sampling: Sampling, seed: int, bounds: Bounds
) -> Iterator[Completion]:
    """Completions of all answers, within `bounds` at once; in no particular order."""
    for batch in cut(_rows(vlm, answers), _Row.size, bounds):
        yield from _decode(vlm, batch, sampling, seed)


@dataclass(frozen=True, slots=True)
class _Row:
    """An answer with its prompt as the model takes it."""

    answer: Answer
    prompt: EncodedPrompt

    def size(self) -> Size:
        # Images of one kind can be joined.
        return Size(1, len(self.prompt.token_ids), self.prompt.pixels.kind)


def _rows(vlm: VLM, answers: Sequence[Answer]) -> Iterator[_Row]:
    """Answers by image, those with long prompts first: shorter ones are padded, so alike ones stand together."""
    longest: dict[ImageRef, int] = {}
    for answer in answers:
        image = answer.request.image
        longest[image] = max(longest.get(image, 0), len(answer.request.prompt))
    order = sorted(longest, key=lambda image: longest[image], reverse=True)
    place = {image: number for number, image in enumerate(order)}

    def prompt_of(answer: Answer) -> tuple[int, str]:
        return place[answer.request.image], answer.request.prompt

    for _, same in groupby(sorted(answers, key=prompt_of), key=prompt_of):
        first, *others = same
        encoded = vlm.encode(first.request.image, first.request.prompt)
        yield from (_Row(answer, encoded) for answer in (first, *others))


def _decode(vlm: VLM, rows: Sequence[_Row], sampling: Sampling, seed: int) -> Iterator[Completion]:
    written, prompts = Answers([row.answer for row in rows], vlm, sampling, seed), [row.prompt for row in rows]
    ids_NT = pad_sequence([torch.tensor(p.token_ids) for p in prompts], True, vlm.pad_id, padding_side="left")
    length_N = torch.tensor([len(p.token_ids) for p in prompts])
    mask_NT = torch.arange(ids_NT.shape[1]) >= ids_NT.shape[1] - length_N[:, None]
    names = prompts[0].pixels.keys()
    vlm.model.generate(
        input_ids=ids_NT.to(vlm.device),
        attention_mask=mask_NT.long().to(vlm.device),
        generation_config=GenerationConfig(
            do_sample=False,
            max_new_tokens=written.limit,
            eos_token_id=list(vlm.eos_ids),
            pad_token_id=vlm.pad_id,
            repetition_penalty=1.0,
        ),
        logits_processor=LogitsProcessorList([_Chosen(written, ids_NT.shape[1])]),
        **vlm.token_types(ids_NT.to(vlm.device)),
        **{name: torch.cat([p.pixels[name] for p in prompts]).to(vlm.device) for name in names},
    )
    yield from written.completions()


class _Chosen(LogitsProcessor):
    """Draws the next tokens itself and leaves greedy decoding no other choice."""

    def __init__(self, answers: Answers, prompt: int) -> None:
        self._answers = answers
        self._prompt = prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        live_M = (~self._answers.finished_N).nonzero()[:, 0]
        tokens_N = self._answers.draw(input_ids.shape[1] - self._prompt, live_M, scores[live_M])
        return torch.full_like(scores, float("-inf")).scatter_(1, tokens_N[:, None], 0.0)
