"""An engine that every process of a run has: each generates for its share of the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from visplay.distributed.controller import Controller, on_all_ranks
from visplay.generation.engine import grouped_by_image
from visplay.interfaces.engine import Engine, Sampling
from visplay.types import Completion, ImageRef, Request


class DistributedEngine:
    """Generates with `engine` in all processes.

    A completion depends on (seed, request id, index) and not on what else is in a batch, so it is the one that a single
    process would have drawn, as far as rounding does not decide.
    """

    def __init__(self, engine: Engine, controller: Controller) -> None:
        self.engine = engine
        self.controller = controller
        controller.register(self)

    @on_all_ranks
    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`; all that is about an image is one process's, so it is computed once."""
        wanted: Counter[ImageRef] = Counter()
        for request in grouped_by_image(requests):
            wanted[request.image] += request.n
        mine = self.controller.my_share(wanted)
        own = self.engine.generate([request for request in requests if request.image in mine], sampling)
        found = {name: completions for part in self.controller.gather(own) for name, completions in part.items()}
        return {request.id: found[request.id] for request in requests} if found else {}

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: those of the first process."""
        return self.engine.metrics()

    def close(self) -> None:
        """See `Engine.close`: each process closes its own."""
        self.engine.close()
