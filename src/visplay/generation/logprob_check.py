"""Proof that an engine with its own copy of the weights samples from those that are trained.

A few of its completions are scored by the trainer. The same weights, prompt and image give the same
log-probabilities but for rounding; anything forgotten on the way to the engine shows as a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from visplay.errors import EngineError
from visplay.models.policy import Policy
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import Completion, Request

# A difference below this share of the tolerance is rounding, which may lie nearer to anything.
_ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class GeneratedSample:
    """A completion with the prompt's token ids as the engine had them, placeholders of the image and all.

    Attributes:
        temperature: of the completion's log-probabilities, see `sampling.scored_temperature`.
    """

    request: Request
    prompt_ids: tuple[int, ...]
    completion: Completion
    temperature: float = 1.0


def check_logprobs(policy: Policy, spoken: Sequence[GeneratedSample], tolerance: float) -> float:
    """The mean |log-probability of the engine - that of the trainer| over the completions' tokens, nats.

    A step of training may change less than rounding does, so that no tolerance would tell. But an engine in step with
    the trainer is as far from the base as from the trainer, or farther; one that is twice as near to the base still
    samples from the base.

    Args:
        spoken: at least one completion.
        tolerance: the greatest difference that rounding may explain.
    Raises:
        EngineError: the difference is greater, or that from the base is much smaller, or a prompt's tokens are others
            than the trainer's.
    """
    with policy.active() as vlm:
        difference = _difference(vlm, spoken)
    with policy.reference() as vlm:
        from_base = _difference(vlm, spoken)
    off = f"the engine does not sample from the {policy.role}'s weights: its log-probabilities are off by "
    if not difference <= tolerance:
        raise EngineError(
            f"{off}{difference:.2g} nats a token (engine.logprob_check_tolerance {tolerance:g}); "
            "the weights or the images it has are not the trainer's"
        )
    if difference > _ROUNDING * tolerance and from_base < difference / 2:
        raise EngineError(f"{off}{difference:.2g} nats a token, from the base's by {from_base:.2g}: it has the base")
    return difference


@torch.inference_mode()
def _difference(vlm: VLM, spoken: Sequence[GeneratedSample]) -> float:
    vlm.model.eval()
    return float(torch.cat([_gaps(vlm, one) for one in spoken]).mean())


def _gaps(vlm: VLM, spoken: GeneratedSample) -> torch.Tensor:
    request, completion = spoken.request, spoken.completion
    prompt = vlm.encode(request.image, request.prompt)
    if prompt.token_ids != spoken.prompt_ids:
        raise EngineError(
            f"the engine reads the prompt on {request.image.id} as {len(spoken.prompt_ids)} other tokens than the "
            f"trainer's {len(prompt.token_ids)}; use engine: transformers for this model"
        )
    tree = TokenTree.build([(*prompt.token_ids, *completion.token_ids)])
    start = len(prompt.token_ids)
    scores = vlm.logprobs([tree], [prompt.pixels], [[start]], temperature=spoken.temperature)
    return (scores.logprobs_ST[0].cpu() - torch.tensor(completion.logprobs)).abs()
