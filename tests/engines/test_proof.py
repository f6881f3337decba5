"""The proof of an engine, on completions of the embedded one, whose weights are the trainer's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from visplay.config import LoraSettings, Sampling
from visplay.engines.engine import EngineError
from visplay.engines.hf import HFEngine
from visplay.engines.proof import Spoken, prove
from visplay.models.policy import Policy, new_policy
from visplay.models.vlm import VLM
from visplay.records import Picture, Request

TOLERANCE = 1e-3


@pytest.fixture(params=["lora", "full"])
def policy(vlm: VLM, request: pytest.FixtureRequest) -> Policy:
    torch.manual_seed(0)
    return new_policy(vlm, "reasoner", request.param, LoraSettings())


def spoken(policy: Policy, pictures: tuple[Picture, ...]) -> list[Spoken]:
    requests = [Request(picture.id, picture, "What is it?", 2) for picture in pictures]
    found = HFEngine(policy, seed=0).generate(requests, Sampling(max_tokens=12))
    return [
        Spoken(request, policy.vlm.encode(request.picture, request.prompt).token_ids, completion)
        for request in requests
        for completion in found[request.id]
    ]


def learn(policy: Policy, size: float) -> None:
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(size * torch.randn_like(parameter))


def test_the_same_weights_differ_by_rounding(policy: Policy, pictures: tuple[Picture, ...]) -> None:
    assert prove(policy, spoken(policy, pictures), TOLERANCE) < 1e-5
    learn(policy, 0.05)
    assert prove(policy, spoken(policy, pictures), TOLERANCE) < 1e-5


def test_other_weights_are_seen(policy: Policy, pictures: tuple[Picture, ...]) -> None:
    learn(policy, 0.05)
    old = spoken(policy, pictures)
    learn(policy, 0.05)
    with pytest.raises(EngineError, match=r"the reasoner's weights: .* nats a token \(vllm.proof_tolerance 0.001\)"):
        prove(policy, old, TOLERANCE)


def test_an_engine_that_has_the_base_is_seen_though_little_was_learned(
    policy: Policy, pictures: tuple[Picture, ...]
) -> None:
    base = spoken(policy, pictures)
    learn(policy, 0.05)
    with pytest.raises(EngineError, match="it has the base"):
        prove(policy, base, tolerance=50.0)


def test_a_frozen_policy_is_its_own_base(vlm: VLM, pictures: tuple[Picture, ...]) -> None:
    policy = Policy(vlm)
    assert prove(policy, spoken(policy, pictures), TOLERANCE) < 1e-5


def test_a_prompt_of_other_tokens_is_seen(policy: Policy, pictures: tuple[Picture, ...]) -> None:
    first, *_ = spoken(policy, pictures)
    with pytest.raises(EngineError, match="other tokens than the trainer's"):
        prove(policy, [replace(first, prompt_ids=first.prompt_ids[1:])], TOLERANCE)
