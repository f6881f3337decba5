"""The logprob check: does an engine with its own copy of the weights sample from the trained weights?

The trainer scores a few of the engine's completions. Stale weights, another prompt or another image give them other
log-probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from visplay.errors import EngineError, UnreadableImage
from visplay.models.policy import Policy
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import Completion, Request

# A difference below this share of the tolerance is rounding; then the distance to the base says nothing.
_ROUNDING = 0.01


class GeneratedSample(NamedTuple):
    """A completion of an engine, the tokens of its prompt with image placeholders, and its `scored_temperature`."""

    request: Request
    prompt_ids: tuple[int, ...]
    completion: Completion
    temperature: float = 1.0


def check_logprobs(policy: Policy, samples: Sequence[GeneratedSample], tolerance: float) -> float:
    """Mean absolute difference between the log-probabilities of engine and trainer, nats per token.

    A training step may change the log-probabilities by less than rounding does, so the tolerance cannot detect an
    engine that still samples from the base. The check therefore also fails if the difference to the base is less than
    half the difference to the trainer.

    Raises:
        EngineError: the difference exceeds the tolerance, which is all that rounding can explain; the engine samples
            from the base; or the engine's prompt has other tokens than the trainer's.
    """
    with policy.active() as vlm:
        difference = _difference(vlm, samples)
    with policy.reference() as vlm:
        from_base = _difference(vlm, samples)
    off = f"the engine does not sample from the {policy.role}'s weights: its log-probabilities are off by "
    if not difference <= tolerance:
        raise EngineError(
            f"{off}{difference:.2g} nats per token (engine.logprob_check_tolerance {tolerance:g}); "
            "its weights or images differ from the trainer's"
        )
    if difference > _ROUNDING * tolerance and from_base < difference / 2:
        raise EngineError(f"{off}{difference:.2g} nats per token, from the base's by {from_base:.2g}: it has the base")
    return difference


@torch.inference_mode()
def _difference(vlm: VLM, samples: Sequence[GeneratedSample]) -> float:
    vlm.model.eval()
    differences = []
    for sample in samples:
        image, ids = sample.request.image, sample.prompt_ids
        try:
            prompt = vlm.encode(image, sample.request.prompt)
        except UnreadableImage:  # it vanished since the engine read it
            continue
        if prompt.token_ids != ids:
            raise EngineError(
                f"the engine and the trainer tokenise the prompt on {image.id} differently "
                f"({len(ids)} and {len(prompt.token_ids)} tokens); use engine: transformers for this model"
            )
        tree = TokenTree.build([(*ids, *sample.completion.token_ids)])
        scores = vlm.logprobs([tree], [prompt.pixels], [[len(ids)]], temperature=sample.temperature)
        differences.append((scores.logprobs_ST[0].cpu() - torch.tensor(sample.completion.logprobs)).abs())
    return float(torch.cat(differences).mean()) if differences else 0.0
