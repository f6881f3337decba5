"""The seam of engines: whatever samples completions from a policy's present weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from pydantic import Field

from visplay.interfaces.component import Component, Section
from visplay.types import Completion, Request


class Sampling(Section):
    """How completions are drawn: temperature first, then top-k, then top-p, as in transformers and vLLM."""

    temperature: float = Field(1.0, ge=0, le=10, description="0 is greedy decoding (paper, official: 1.0)")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus mass kept (official: 0.99)")
    top_k: int = Field(0, ge=0, description="tokens kept, 0 for all (official votes: 40)")
    max_tokens: int | None = Field(
        None, ge=1, le=16384, description="longest completion, tokens; null: the model's max_new_tokens, else 1024"
    )


class Engine(Protocol):
    """Samples completions from a policy's present weights."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """`request.n` completions of every request, by request id, in index order; none if its image is unreadable.

        Raises:
            ValueError: two requests have the same id.
        """

    def metrics(self) -> dict[str, float]:
        """Metrics of the last call, such as the difference to the trainer's log-probabilities."""

    def close(self) -> None:
        """Free what the engine holds beside the policy. Closing twice is allowed."""


class EngineBackend(Component, seam="engine"):
    """How completions are generated; makes the engines of a run."""

    trainable: ClassVar[bool] = True
    """The engine returns the tokens and log-probabilities that training needs."""

    @property
    def batch_size(self) -> int:
        """Completions that a caller should ask for at once, at the least, to keep the engine busy."""
        return 256

    def check(self) -> None:
        """Refuse, before a model is loaded, a backend that cannot run here.

        Raises:
            ConfigError: a package is missing.
            ServerError: the server did not answer in time.
        """

    def check_run(self, run: Any, trained: bool) -> None:
        """Refuse other settings of the run, a `visplay.config.Settings`, that do not fit this backend.

        Args:
            trained: False if no weights are trained, as for `visplay eval`.
        Raises:
            ValueError: one line that says which settings do not fit, and what to change.
        """

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        """One engine per `visplay.models.policy.Policy`, in their order, whose completions may be trained on.

        Args:
            base: the `visplay.models.vlm.VLM` that every policy began as.
        Raises:
            EngineError: the backend cannot run the model, or its completions cannot be trained on.
        """
        raise NotImplementedError

    def vote_engine(self, policy: Any, run: Any) -> Engine:
        """An engine for completions that nobody trains on, such as votes."""
        return self.engines(policy.vlm, [policy], run)[0]
