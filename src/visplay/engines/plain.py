"""Decoding where a token tree is not valid: transformers' own `generate`, on our random streams.

Right for any family, and slower than a tree by about the number of answers a picture.

Shapes: N answers of a batch, M of them that still run, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from visplay.config import Sampling
from visplay.engines.answers import Answer, Answers
from visplay.models.vlm import VLM, EncodedPrompt
from visplay.records import Completion


def decode_plain(
    vlm: VLM, answers: Sequence[Answer], sampling: Sampling, seed: int, batch: int
) -> Iterator[Completion]:
    """Completions of all answers, at most `batch` decoded at once; in no particular order."""
    prompts = {(a.request.picture, a.request.prompt): a.request for a in answers}
    encoded = {name: vlm.encode(request.picture, request.prompt) for name, request in prompts.items()}

    def prompt_of(answer: Answer) -> EncodedPrompt:
        return encoded[answer.request.picture, answer.request.prompt]

    def kind(answer: Answer) -> tuple[str, int]:
        # Prompts of one length together, for the shorter ones are padded, and pictures of one kind, to be joined.
        prompt = prompt_of(answer)
        return str(prompt.pixels.kind), len(prompt.token_ids)

    for _, alike in groupby(sorted(answers, key=kind), key=lambda answer: kind(answer)[0]):
        together = list(alike)
        for start in range(0, len(together), batch):
            part = together[start : start + batch]
            yield from _decode(vlm, part, [prompt_of(answer) for answer in part], sampling, seed)


def _decode(
    vlm: VLM, answers: Sequence[Answer], prompts: Sequence[EncodedPrompt], sampling: Sampling, seed: int
) -> Iterator[Completion]:
    written = Answers(answers, vlm, sampling, seed)
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
