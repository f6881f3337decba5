"""Generation in several processes: each generates the completions of its share of the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from visplay.distributed.controller import Controller, on_all_ranks
from visplay.generation.engine import grouped_by_image
from visplay.interfaces.engine import Engine, Sampling
from visplay.types import Completion, ImageRef, Request


class DistributedEngine:
    """Generates with the `engine` of every process.

    A completion depends on (seed, request id, index) and not on the rest of its batch. Up to rounding, the completions
    are therefore those of a run with one process.
    """

    def __init__(self, engine: Engine, controller: Controller) -> None:
        self.engine = engine
        self.controller = controller
        controller.register(self)

    @on_all_ranks
    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. All requests about an image go to one process, so the image is encoded once."""
        completions_of: Counter[ImageRef] = Counter()
        for request in grouped_by_image(requests):
            completions_of[request.image] += request.n
        own_images = self.controller.my_share(completions_of)
        own = self.engine.generate([request for request in requests if request.image in own_images], sampling)
        found = {name: completions for part in self.controller.gather(own) for name, completions in part.items()}
        return {request.id: found[request.id] for request in requests} if found else {}

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: those of rank 0."""
        return self.engine.metrics()

    def close(self) -> None:
        """See `Engine.close`: each process closes its engine."""
        self.engine.close()
