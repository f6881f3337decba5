"""Makes the engines of a run, and the engine of a frozen role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from visplay.config import Settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.generation.distributed_engine import DistributedEngine
from visplay.interfaces.engine import Engine
from visplay.models.policy import Policy
from visplay.models.vlm import VLM


def check_engines(settings: Settings) -> None:
    """Check, before any model is loaded, that the engines can run; waits until a server is ready.

    Raises:
        ConfigError: a package is missing.
        ServerError: the server did not answer in time.
    """
    settings.engine.check()
    if settings.vote_engine is not None:
        settings.vote_engine.check()


def make_engines(
    base: VLM, policies: Sequence[Policy], settings: Settings, controller: Controller = SINGLE_PROCESS
) -> list[Engine]:
    """One engine per policy, in order, with completions that can be trained on.

    Args:
        base: the model from which all policies started.
        controller: the processes that share the generation.
    Raises:
        EngineError: the engine cannot run the model here, or its completions cannot be trained on.
    """
    engines = settings.engine.engines(base, policies, settings)
    return engines if controller.size == 1 else [DistributedEngine(engine, controller) for engine in engines]


def make_vote_engine(policy: Policy, settings: Settings) -> Engine | None:
    """The engine of the setting `vote_engine`; None if the setting is empty, so a role's own engine gives its votes."""
    return settings.vote_engine.vote_engine(policy, settings) if settings.vote_engine is not None else None


@contextmanager
def inference_engine(policy: Policy, settings: Settings) -> Iterator[Engine]:
    """Context manager: an engine for a frozen role.

    On exit, the engine frees its memory and unloads its adapters from a server.

    Raises:
        EngineError: the engine cannot run the model.
    """
    engine = make_vote_engine(policy, settings) or settings.engine.vote_engine(policy, settings)
    with closing(engine):
        yield engine
