"""The logprob check, on completions of the engine `transformers`, which has the trainer's weights."""

from __future__ import annotations

import pytest
import torch

from visplay.config import LoraSettings
from visplay.errors import EngineError
from visplay.generation.backends.transformers import TransformersEngine
from visplay.generation.logprob_check import GeneratedSample, check_logprobs
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy, new_policy
from visplay.models.vlm import VLM
from visplay.types import ImageRef, Request

TOLERANCE = 1e-3


@pytest.fixture(params=["lora", "full"])
def policy(vlm: VLM, request: pytest.FixtureRequest) -> Policy:
    torch.manual_seed(0)
    return new_policy(vlm, "reasoner", request.param, LoraSettings())


def spoken(policy: Policy, images: tuple[ImageRef, ...], temperature: float = 1.0) -> list[GeneratedSample]:
    requests = [Request(image.id, image, "What is it?", 2) for image in images]
    found = TransformersEngine(policy, seed=0).generate(requests, Sampling(max_tokens=12, temperature=temperature))
    return [
        GeneratedSample(request, policy.vlm.encode(request.image, request.prompt).token_ids, completion, temperature)
        for request in requests
        for completion in found[request.id]
    ]


def learn(policy: Policy, size: float) -> None:
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(size * torch.randn_like(parameter))


def test_the_same_weights_differ_by_rounding(policy: Policy, images: tuple[ImageRef, ...]) -> None:
    assert check_logprobs(policy, spoken(policy, images), TOLERANCE) < 1e-5
    learn(policy, 0.05)
    assert check_logprobs(policy, spoken(policy, images), TOLERANCE) < 1e-5


def test_the_check_scores_at_the_temperature_of_sampling(policy: Policy, images: tuple[ImageRef, ...]) -> None:
    hot = spoken(policy, images, temperature=1.5)
    assert check_logprobs(policy, hot, TOLERANCE) < 1e-5
    with pytest.raises(EngineError, match="nats per token"):
        check_logprobs(policy, [one._replace(temperature=1.0) for one in hot], TOLERANCE)


def test_other_weights_are_seen(policy: Policy, images: tuple[ImageRef, ...]) -> None:
    learn(policy, 0.05)
    old = spoken(policy, images)
    learn(policy, 0.05)
    with pytest.raises(
        EngineError, match=r"the reasoner's weights: .* nats per token \(engine.logprob_check_tolerance 0.001\)"
    ):
        check_logprobs(policy, old, TOLERANCE)


def test_an_engine_that_has_the_base_is_seen_though_little_was_learned(
    policy: Policy, images: tuple[ImageRef, ...]
) -> None:
    base = spoken(policy, images)
    learn(policy, 0.05)
    with pytest.raises(EngineError, match="it has the base"):
        check_logprobs(policy, base, tolerance=50.0)


def test_a_frozen_policy_is_its_own_base(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    policy = Policy(vlm)
    assert check_logprobs(policy, spoken(policy, images), TOLERANCE) < 1e-5


def test_a_prompt_of_other_tokens_is_seen(policy: Policy, images: tuple[ImageRef, ...]) -> None:
    first, *_ = spoken(policy, images)
    with pytest.raises(EngineError, match=r"tokenise the prompt on .* differently"):
        check_logprobs(policy, [first._replace(prompt_ids=first.prompt_ids[1:])], TOLERANCE)
