"""What an iteration asks of both roles, and what that costs: tokens, floating-point operations, time. Pure arithmetic.

Left out: what measuring on suites costs, and attention's own operations, which are few
beside those of the weights at these lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from visplay.config import Settings
from visplay.errors import ConfigError
from visplay.generation.backends.transformers import TransformersBackend
from visplay.generation.batching import BatchLimits
from visplay.interfaces.engine import Sampling
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Labeler

IMAGE_TOKENS = 1024
TFLOPS = 60.0
_MANY = 10**6  # more images than are asked about at once


def limits_of(settings: Settings) -> BatchLimits:
    """What the embedded engine decodes at once; its defaults where another engine generates."""
    backend = settings.engine if isinstance(settings.engine, TransformersBackend) else TransformersBackend()
    return BatchLimits(backend.batch, backend.tokens)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What no configuration tells.

    Attributes:
        image_tokens, most_image_tokens: of an image, mean and most.
        prompt_tokens: the text of a prompt with its markup and, for the Reasoner, the question.
        question_tokens, answer_tokens, list_tokens: mean length of what is written.
        tflops: 10^12 floating-point operations a second that are reached, not the peak of a data sheet. 60 is 36 % of
            what a GPU of 24 GB such as NVIDIA's RTX 4090 can do in bfloat16 (165).
        step_ms: least milliseconds of a decoding step, however few its operations.
    """

    image_tokens: float = IMAGE_TOKENS
    most_image_tokens: int = IMAGE_TOKENS
    prompt_tokens: int = 200
    question_tokens: int = 64
    answer_tokens: int = 256
    list_tokens: int = 64
    tflops: float = TFLOPS
    step_ms: float = 30.0


@dataclass(frozen=True, slots=True)
class Asking:
    """Answers that are asked for in one way, in an iteration.

    Attributes:
        calls: times that the engine is called.
        images: images a call, the looks at one counted apart; each is the root of a tree.
        prompts, answers: distinct prompts, and answers to all of them, an image.
        new_tokens, limit: mean length of an answer, and the most it can have.
        sampling: how tokens are drawn.
        trained: whether the answers are learned from.
    """

    name: str
    calls: int
    images: int
    prompts: int
    answers: int
    new_tokens: int
    limit: int
    sampling: Sampling
    trained: bool = False

    @property
    def all_images(self) -> int:
        return self.calls * self.images

    @property
    def all_answers(self) -> int:
        return self.all_images * self.answers


@dataclass(frozen=True, slots=True)
class Batch:
    """What is decoded at once: trees, each of `shared` tokens with so many answers."""

    trees: int
    answers: int
    shared: int

    @classmethod
    def of(cls, asking: Asking, assumed: Assumed, bounds: BatchLimits, tree: bool) -> Batch:
        """The largest that the bounds let be cut from what is asked; without trees each answer is one of its own."""
        answers = min(asking.answers, bounds.answers) if tree else 1
        shared = assumed.most_image_tokens + (asking.prompts if tree else 1) * assumed.prompt_tokens
        wanted = asking.images * (1 if tree else asking.answers)
        return cls(max(1, min(wanted, bounds.answers // answers, bounds.tokens // shared)), answers, shared)

    @property
    def all_answers(self) -> int:
        return self.trees * self.answers

    @property
    def tokens(self) -> int:
        """Those of images and prompts."""
        return self.trees * self.shared


@dataclass(frozen=True, slots=True)
class Work:
    """What a way of asking costs in an iteration.

    Attributes:
        generated, read, trained: tokens written, tokens of images and prompts, tokens of the update.
        flops: floating-point operations, of generating and training together.
        hours: of GPUs, those of all added.
    """

    generated: float
    read: float
    trained: float
    flops: float
    hours: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of weights: of the decoder's layers, of the layer to the vocabulary, and of all before the decoder."""

    total: int
    decoder: int
    head: int
    vision: int


def askings(settings: Settings, images: int | None, assumed: Assumed, longest: int) -> tuple[Asking, ...]:
    """All that an iteration asks, in order; every question is taken to be valid and its answer to be kept.

    Args:
        images: how many there are; None where that is not known.
        longest: an answer's tokens at the most where the settings name no limit.
    Raises:
        ConfigError: `silver.images` is for all images, and nobody knows how many there are.
    """
    q, silver, r, accept = settings.questioner, settings.silver, settings.reasoner, settings.acceptance
    if images is None and silver.images is None:
        raise ConfigError("silver.images is for all images; give --images or --set silver.images=N")
    taken = min(n for n in (silver.images, images) if n is not None)
    step = min(n for n in (q.images_per_step, images) if n is not None)
    ask = _Asker(settings, assumed, longest)
    found = [
        ask.questions("questions", q.steps, step, q.group_size, trained=True),
        *ask.labels("their", q.steps, step, q.group_size, q.votes, q.labeler or silver.labeler),
        *(ask.gates("their", q.steps, step, q.group_size, q.gates) if q.reward.uses_gates else ()),
        ask.questions("silver questions", 1, taken, silver.questions_per_image),
        *ask.labels("silver", 1, taken, silver.questions_per_image, silver.votes, silver.labeler),
        *ask.gates("silver", 1, taken, silver.questions_per_image, silver.gates),
        ask.answers("answers", r.steps, r.questions_per_step, 1, r.group_size, trained=True),
        ask.questions("verdict questions", 1, accept.images, accept.questions_per_image),
        # The frozen questions are answered again, and new questions are answered too.
        *ask.labels("verdict", 2, accept.images, accept.questions_per_image, accept.votes, silver.labeler),
    ]
    return tuple(asking for asking in found if asking.all_answers)


def measuring(settings: Settings, assumed: Assumed, longest: int) -> tuple[Asking, ...]:
    """How labelled items are asked, one answer each, for what that holds in memory; empty where there are none.

    Args:
        longest: as in `askings`.
    """
    if not settings.evaluation.suites and settings.acceptance.validation_set is None:
        return ()
    most = settings.evaluation.items_per_suite
    items = _MANY if most is None or settings.acceptance.validation_set else most * len(settings.evaluation.suites)
    ask, sampling = _Asker(settings, assumed, longest), settings.reasoner.sampling
    return (ask.asking("measuring", 1, items, 1, 1, assumed.answer_tokens, sampling),)


@dataclass(frozen=True, slots=True)
class _Asker:
    """Ways of asking under settings; `longest` as in `askings`."""

    settings: Settings
    assumed: Assumed
    longest: int

    def questions(self, name: str, calls: int, images: int, n: int, trained: bool = False) -> Asking:
        """`n` questions per image."""
        questioner = self.settings.questioner
        sampling = questioner.sampling if trained else questioner.untrained_sampling
        return self.asking(name, calls, images, 1, n, self.assumed.question_tokens, sampling, trained)

    def answers(self, name: str, calls: int, images: int, questions: int, n: int, trained: bool = False) -> Asking:
        """`n` answers per image to all of its questions together."""
        reasoner = self.settings.reasoner
        sampling = reasoner.sampling if trained else reasoner.untrained_sampling
        return self.asking(name, calls, images, questions, n, self.assumed.answer_tokens, sampling, trained)

    def labels(self, name: str, calls: int, images: int, questions: int, votes: int, labeler: Labeler) -> list[Asking]:
        """What a labeler asks about images with so many questions each."""
        return [
            self._extra(f"{name} {extra.kind}", calls, images, extra) for extra in labeler.requests(questions, votes)
        ]

    def gates(self, name: str, calls: int, images: int, questions: int, gates: Sequence[Gate]) -> list[Asking]:
        """What gates ask again about images with so many questions each, all of them labelled."""
        return [
            self._extra(f"{name} {gate.name}", calls, images, extra)
            for gate in gates
            for extra in gate.requests(questions)
        ]

    def _extra(self, name: str, calls: int, images: int, extra: ExtraRequests) -> Asking:
        mean = self.assumed.answer_tokens if extra.kind == "votes" else self.assumed.list_tokens
        sampling = self.settings.reasoner.untrained_sampling
        return self.asking(name, calls, images * extra.versions, extra.prompts, extra.completions, mean, sampling)

    def asking(
        self,
        name: str,
        calls: int,
        images: int,
        prompts: int,
        answers: int,
        mean: int,
        sampling: Sampling,
        trained: bool = False,
    ) -> Asking:
        limit = sampling.max_tokens or self.longest
        return Asking(name, calls, images, prompts, answers, min(mean, limit), limit, sampling, trained)


def shared(asking: Asking, processes: int) -> Asking:
    """What one of several processes is asked, at the most."""
    return replace(asking, images=ceil(asking.images / processes))


def work(
    asking: Asking, size: Parameters, settings: Settings, assumed: Assumed, tree: bool, processes: int = 1
) -> Work:
    """The cost of a way of asking: 2 operations a weight and token forward, twice that again for each gradient.

    Frozen weights have no gradient of their own, so a token costs 4 with adapters and 6 without; the reference is
    one more pass forward, and so is computing activations twice. With trees what answers share is computed once,
    else once an answer.
    """
    generated = float(asking.all_answers * asking.new_tokens)
    roots = asking.all_images if tree else asking.all_answers
    prompts = asking.prompts if tree else 1
    read = roots * (assumed.image_tokens + prompts * assumed.prompt_tokens)
    trained = read + generated if asking.trained else 0.0
    passes = (4 if settings.tune == "lora" else 6) + 2 * (bool(_kl(asking, settings)) + settings.gradient_checkpointing)
    writing = 2 * (size.decoder * (read + generated) + size.head * generated)
    learning = passes * (size.decoder * trained + size.head * (generated if asking.trained else 0))
    rate = assumed.tflops * 1e12
    share = shared(asking, processes)
    batch = Batch.of(share, assumed, limits_of(settings), tree)
    steps = share.calls * ceil(share.images * share.answers / batch.all_answers) * share.limit
    seconds = max(writing / rate, processes * steps * assumed.step_ms / 1e3) + learning / rate
    return Work(generated, read, trained, writing + learning, seconds / 3600)


def total(costs: Iterable[Work]) -> Work:
    """The sum of each figure."""
    found = Work(0.0, 0.0, 0.0, 0.0, 0.0)
    for c in costs:
        found = Work(
            found.generated + c.generated,
            found.read + c.read,
            found.trained + c.trained,
            found.flops + c.flops,
            found.hours + c.hours,
        )
    return found


def _kl(asking: Asking, settings: Settings) -> float:
    own = settings.questioner.kl if asking.name == "questions" else None
    return settings.rl.kl if own is None else own
