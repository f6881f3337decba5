"""Which engines the settings ask for, and what is refused before anything is loaded."""

from __future__ import annotations

import sys

import pytest

from visplay.config import Settings, check_settings
from visplay.errors import ConfigError, ServerError
from visplay.generation.factory import check_engine, make_engines, make_voter
from visplay.generation.server import ServerEngine
from visplay.generation.transformers_engine import TransformersEngine
from visplay.models.policy import Policy
from visplay.models.vlm import VLM


def test_the_embedded_engine_is_the_default(vlm: VLM) -> None:
    check_engine(Settings())
    policies = [Policy(vlm, "questioner"), Policy(vlm, "reasoner")]
    engines = make_engines(vlm, policies, Settings(seed=3, generation_batch=7))
    assert [(type(e), e.policy, e.seed, e.limits.answers) for e in engines if isinstance(e, TransformersEngine)] == [
        (TransformersEngine, policy, 3, 7) for policy in policies
    ]


def test_a_missing_package_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"pip install 'visplay\[vllm\]'"):
        check_engine(Settings(engine="vllm"))


def test_a_server_gives_the_votes_and_nothing_that_is_trained_on(vlm: VLM) -> None:
    policies = [Policy(vlm, "questioner"), Policy(vlm, "reasoner")]
    server = {"url": "http://localhost:1", "adapters": "adapters", "wait_s": 0.3}
    settings = check_settings({"engine": "server", "tune": "lora", "server": server}, where="a test")
    with pytest.raises(ServerError, match="no server is ready"):
        check_engine(settings)
    asking, answering = make_engines(vlm, policies, settings)
    assert isinstance(asking, TransformersEngine) and isinstance(answering, TransformersEngine)
    voter = make_voter(policies[1], settings)
    assert isinstance(voter, ServerEngine) and voter.policy is policies[1]
    assert make_voter(policies[1], Settings()) is None


def test_four_bits_are_refused() -> None:
    with pytest.raises(ConfigError, match="four_bit"):
        check_settings({"engine": "vllm", "four_bit": True, "tune": "lora"}, where="a test")
