"""The one thing the loop asks of whatever generates text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from visplay.interfaces.engine import Sampling
from visplay.types import Completion, Request


def grouped_by_image(requests: Sequence[Request]) -> list[Request]:
    """Requests about one image together, in the order in which images are first asked about.

    So an image is encoded once, and what was computed of it is still in an engine's prefix cache.

    Raises:
        ValueError: two requests have the same id.
    """
    if len({request.id for request in requests}) < len(requests):
        raise ValueError("two requests to generate have the same id; give each its own")
    order = {image: place for place, image in enumerate(dict.fromkeys(r.image for r in requests))}
    return sorted(requests, key=lambda request: order[request.image])


class Engine(Protocol):
    """Samples completions from a policy's present weights."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """`request.n` completions of every request, by request id, in index order.

        Raises:
            ValueError: two requests have the same id.
        """
        ...

    def metrics(self) -> dict[str, float]:
        """What the last call has to tell a run's metrics; nothing where there is nothing to doubt."""
        ...

    def close(self) -> None:
        """Give back what is held beside the policy; it is not asked again, but may be closed again."""
        ...
