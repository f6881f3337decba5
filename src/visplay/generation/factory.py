"""Makes the engines of a run, and the engine of a frozen role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from visplay.config import Settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller, on_all_ranks
from visplay.errors import NotFiniteError, OutOfMemory
from visplay.generation.batching import BatchLimits, SharedLimits, grouped_by_image
from visplay.interfaces.engine import Engine, Sampling
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.types import Completion, ImageRef, Request


def check_engines(settings: Settings) -> None:
    """Check, before any model is loaded, that the engines can run; see `EngineBackend.check` for errors."""
    settings.engine.check()
    if settings.vote_engine is not None:
        settings.vote_engine.check()


def make_engines(
    base: VLM, policies: Sequence[Policy], settings: Settings, controller: Controller = SINGLE_PROCESS
) -> list[Engine]:
    """One engine per policy, in order, with completions that can be trained on; EngineError if there can be none."""
    engines = settings.engine.engines(base, policies, settings)
    return engines if controller.size == 1 else [DistributedEngine(engine, controller) for engine in engines]


def make_vote_engine(policy: Policy, settings: Settings) -> Engine | None:
    """The engine of the setting `vote_engine`; None if the setting is empty, so a role's own engine gives its votes."""
    return settings.vote_engine.vote_engine(policy, settings) if settings.vote_engine is not None else None


@contextmanager
def inference_engine(policy: Policy, settings: Settings) -> Iterator[Engine]:
    """Context manager: an engine for a frozen role; on exit it frees its memory, and a server's adapters."""
    with closing(make_vote_engine(policy, settings) or settings.engine.vote_engine(policy, settings)) as engine:
        yield engine


class DistributedEngine:
    """Generates with the `engine` of every process, each for its share of the images.

    A completion depends on (seed, request id, index) and not on the rest of its batch. Up to rounding, the completions
    are therefore those of a run with one process.

    Attributes:
        shared: the limits of a batch, the same in all processes; None if the engine has none.
    """

    def __init__(self, engine: Engine, controller: Controller) -> None:
        self.engine = engine
        self.controller = controller
        self.shared: SharedLimits | None = getattr(engine, "shared", None)
        controller.register(self)

    @on_all_ranks
    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. All requests about an image go to one process, so the image is encoded once."""
        completions_of: Counter[ImageRef] = Counter()
        for request in grouped_by_image(requests):
            completions_of[request.image] += request.n
        own_images = self.controller.my_share(completions_of)
        own: dict[str, tuple[Completion, ...]] = {}
        failure: NotFiniteError | OutOfMemory | None = None
        try:
            own = self.engine.generate([request for request in requests if request.image in own_images], sampling)
        except (NotFiniteError, OutOfMemory) as error:
            failure = error
        self._agree(failure)
        found = {name: tuple(drawn) for part in self.controller.gather([*own.items()]) for name, drawn in part}
        return {request.id: found[request.id] for request in requests} if found else {}

    def _agree(self, failure: NotFiniteError | OutOfMemory | None) -> None:
        """Raise in all processes what one of them has; else all take the batch of the one with least memory."""
        kinds = isinstance(failure, NotFiniteError), isinstance(failure, OutOfMemory)
        shared = self.shared
        # Every process fills a place of its own in a list of zeros, so that the sum has the values of all.
        own = [*kinds, *(shared.limits if shared else (0, 0))]
        places = [0.0] * len(own) * self.controller.size
        places[self.controller.rank * len(own) : (self.controller.rank + 1) * len(own)] = map(float, own)
        summed = self.controller.all_reduce_sum(places)
        not_finite, out_of_memory, answers, tokens = (summed[place :: len(own)] for place in range(len(own)))
        if any(not_finite):
            raise failure or NotFiniteError(getattr(getattr(self.engine, "policy", None), "role", "model"), "logits")
        if any(out_of_memory):
            raise failure or OutOfMemory("generation", "in another process")
        if shared:
            shared.shrink(BatchLimits(int(min(answers)), int(min(tokens))))

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: those of rank 0."""
        return self.engine.metrics()

    def close(self) -> None:
        """See `Engine.close`: each process closes its engine."""
        self.engine.close()
