"""Which engines the settings ask for, and what is refused before anything is loaded."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from visplay.config import Settings, check_settings
from visplay.errors import ConfigError, EngineError, ServerError
from visplay.generation.backends.server import ServerBackend
from visplay.generation.backends.transformers import TransformersBackend, TransformersEngine
from visplay.generation.backends.vllm import VLLMBackend
from visplay.generation.batching import BatchLimits
from visplay.generation.factory import check_engines, inference_engine, make_engines, make_vote_engine
from visplay.generation.server import ServerEngine
from visplay.models.policy import Policy
from visplay.models.vlm import VLM

SERVER = {"type": "server", "url": "http://here:8000"}


def test_the_embedded_engine_is_the_default(vlm: VLM) -> None:
    check_engines(Settings())
    policies = [Policy(vlm, "questioner"), Policy(vlm, "reasoner")]
    settings = Settings(seed=3, engine=TransformersBackend(batch=7, tokens=100))
    engines = make_engines(vlm, policies, settings)
    assert [(type(e), e.policy, e.seed, e.limits) for e in engines if isinstance(e, TransformersEngine)] == [
        (TransformersEngine, policy, 3, BatchLimits(7, 100)) for policy in policies
    ]
    assert settings.engine.batch_size == 7


def test_a_role_that_nobody_trains_is_answered_by_the_vote_engine_or_else_by_the_engine(vlm: VLM) -> None:
    policy = Policy(vlm)
    with inference_engine(policy, Settings(engine=TransformersBackend(batch=7))) as engine:
        assert isinstance(engine, TransformersEngine) and engine.limits.answers == 7
    served = check_settings({"vote_engine": {"type": "server", "url": "http://localhost:1"}}, "a test", trained=False)
    with inference_engine(policy, served) as engine:
        assert isinstance(engine, ServerEngine)
    with inference_engine(policy, check_settings({"vote_engine": "transformers"}, "a test")) as engine:
        assert isinstance(engine, TransformersEngine)


def test_a_missing_package_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"pip install 'visplay\[vllm\]'"):
        check_engines(Settings(engine=VLLMBackend()))
    with pytest.raises(ConfigError, match=r"pip install 'visplay\[vllm\]'"):
        check_engines(Settings(vote_engine=VLLMBackend()))


def test_a_server_gives_the_votes_and_nothing_that_is_trained_on(vlm: VLM) -> None:
    policies = [Policy(vlm, "questioner"), Policy(vlm, "reasoner")]
    server = {"type": "server", "url": "http://localhost:1", "adapters": "adapters", "wait_s": 0.3}
    settings = check_settings({"vote_engine": server, "tune": "lora"}, where="a test")
    with pytest.raises(ServerError, match="is not ready after"):
        check_engines(settings)
    asking, answering = make_engines(vlm, policies, settings)
    assert isinstance(asking, TransformersEngine) and isinstance(answering, TransformersEngine)
    voter = make_vote_engine(policies[1], settings)
    assert isinstance(voter, ServerEngine) and voter.policy is policies[1]
    assert make_vote_engine(policies[1], Settings()) is None


@pytest.mark.parametrize(
    ("values", "trained", "said"),
    [
        ({"engine": "vllm", "four_bit": True, "tune": "lora"}, True, "engine: vllm takes no four_bit base"),
        ({"engine": SERVER}, True, "use engine: transformers and vote_engine: server"),
        ({"vote_engine": SERVER}, True, "choose tune: lora"),
        ({"vote_engine": SERVER, "tune": "lora"}, True, "vote_engine: adapters is missing"),
        ({"vote_engine": "vllm", "four_bit": True, "tune": "lora"}, False, "four_bit"),
    ],
)
def test_settings_that_an_engine_does_not_fit_are_refused(values: dict[str, Any], trained: bool, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        check_settings(values, "a test", trained=trained)
    assert "\n" not in str(raised.value)


def test_what_nobody_trains_may_come_from_a_server_alone() -> None:
    settings = check_settings({"engine": SERVER}, "a test", trained=False)
    assert settings.engine == ServerBackend(url="http://here:8000") and not settings.engine.trainable
    with pytest.raises(EngineError, match="cannot be trained on; use engine: transformers and vote_engine: server"):
        settings.engine.engines(None, [], settings)
