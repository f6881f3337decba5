"""An engine that every process of a run has: each generates for its share of the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from visplay.config import Sampling
from visplay.engines.engine import Engine, by_picture
from visplay.ranks import Ranks, everywhere
from visplay.records import Completion, Picture, Request


class SharedEngine:
    """Generates with `engine` in all processes.

    A completion depends on (seed, request id, index) and not on what else is in a batch, so it is the one that a single
    process would have drawn, as far as rounding does not decide.
    """

    def __init__(self, engine: Engine, ranks: Ranks) -> None:
        self.engine = engine
        self.ranks = ranks
        ranks.enlist(self)

    @everywhere
    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`; all that is about a picture is one process's, so it is computed once."""
        wanted: Counter[Picture] = Counter()
        for request in by_picture(requests):
            wanted[request.picture] += request.n
        mine = self.ranks.share(wanted)
        own = self.engine.generate([request for request in requests if request.picture in mine], sampling)
        found = {name: completions for part in self.ranks.gather(own) for name, completions in part.items()}
        return {request.id: found[request.id] for request in requests} if found else {}

    def figures(self) -> dict[str, float]:
        """See `Engine.figures`: those of the first process."""
        return self.engine.figures()

    def close(self) -> None:
        """See `Engine.close`: each process closes its own."""
        self.engine.close()
