"""The one thing the loop asks of whatever generates text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from visplay.config import Sampling
from visplay.records import Completion, Request


class EngineError(ValueError):
    """An engine cannot be used, or must not be trusted; the message is one line that says why and what to do."""


def by_picture(requests: Sequence[Request]) -> list[Request]:
    """Requests about one picture together, in the order in which pictures are first asked about.

    So a picture is encoded once, and what was computed of it is still in an engine's prefix cache.

    Raises:
        ValueError: two requests have the same id.
    """
    if len({request.id for request in requests}) < len(requests):
        raise ValueError("two requests to generate have the same id; give each its own")
    order = {picture: place for place, picture in enumerate(dict.fromkeys(r.picture for r in requests))}
    return sorted(requests, key=lambda request: order[request.picture])


class Engine(Protocol):
    """Samples completions from a policy's present weights."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """`request.n` completions of every request, by request id, in index order.

        Raises:
            ValueError: two requests have the same id.
        """
        ...

    def figures(self) -> dict[str, float]:
        """What the last call has to tell a run's metrics; nothing where there is nothing to doubt."""
        ...

    def close(self) -> None:
        """Give back what is held beside the policy; it is not asked again, but may be closed again."""
        ...
