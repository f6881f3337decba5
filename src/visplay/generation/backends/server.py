"""The engine `server`: an OpenAI-compatible server of the base model gives votes and evaluation answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from visplay.errors import EngineError
from visplay.generation.settings import ServerSettings
from visplay.interfaces.engine import Engine


class ServerBackend(ServerSettings, type="server"):
    """An OpenAI-compatible server (vLLM, SGLang) that serves the base model. Its completions cannot be trained on."""

    trainable: ClassVar[bool] = False

    def check(self) -> None:
        from visplay.generation.openai_client import Endpoint

        Endpoint(self).wait()

    def check_run(self, run: Any, trained: bool) -> None:
        if trained and run.tune == "full":
            raise ValueError("vote_engine: a server cannot follow weights that are trained in full; choose tune: lora")
        if trained and "projector" in run.lora.targets:
            raise ValueError("vote_engine: a server takes no adapters on the projector; leave it out of lora.targets")
        if trained and self.adapters is None:
            raise ValueError("vote_engine: adapters is missing; name a folder that the server reads by the same path")

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        raise EngineError(
            "a server's completions cannot be trained on; use engine: transformers and vote_engine: server"
        )

    def vote_engine(self, policy: Any, run: Any) -> Engine:
        from visplay.generation.server import ServerEngine

        return ServerEngine(policy, run.seed, self)
