"""The completions of an iteration and their cost: tokens, floating-point operations, time. Arithmetic only.

Left out: the cost of measuring on suites, and attention's own operations, which are few beside those of the weights at
these lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import NamedTuple, Self

from visplay.config import Settings
from visplay.errors import ConfigError
from visplay.generation.backends.transformers import TransformersBackend
from visplay.generation.batching import BatchLimits
from visplay.interfaces.engine import Sampling
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Labeler
from visplay.interfaces.task_source import image_counts

_MANY = 10**6  # more images than are decoded at once


@dataclass(frozen=True)
class Assumed:
    """Assumptions about sizes and speeds that no configuration contains.

    Attributes:
        image_tokens, most_image_tokens: tokens of an image, mean and most.
        prompt_tokens: the text of a prompt with its markup and, for the Reasoner, the question.
        question_tokens, answer_tokens, list_tokens, record_tokens: mean length of a completion, or its limit if that is
            less.
        longest: tokens of a completion if the settings have no limit.
        tflops: reached speed in 10^12 floating-point operations per second, not the peak of a data sheet. 60 is 36 %
            of the peak of a GPU with 24 GB such as NVIDIA's RTX 4090 in bfloat16 (165).
        step_ms: least milliseconds of a decoding step, however few its operations.
    """

    image_tokens: float = 1024
    most_image_tokens: int = 1024
    prompt_tokens: int = 200
    question_tokens: int = 64
    answer_tokens: int = 256
    list_tokens: int = 64
    record_tokens: int = 256
    longest: int = 1024
    tflops: float = 60.0
    step_ms: float = 30.0


@dataclass(frozen=True, slots=True)
class Generation:
    """Completions that an iteration generates for one purpose.

    Attributes:
        calls: calls of the engine.
        images: images per call, augmentations counted apart; each is the root of a tree.
        prompts, answers: distinct prompts of an image, and completions of all of them.
        mean_tokens, longest: as in `Assumed`.
        trained: a role is trained on the completions.
    """

    name: str
    calls: int
    images: int
    prompts: int
    answers: int
    mean_tokens: int
    sampling: Sampling
    trained: bool = False
    longest: int = 1024

    @property
    def limit(self) -> int:
        """Tokens of the longest completion."""
        return self.sampling.max_tokens or self.longest

    @property
    def all_images(self) -> int:
        return self.calls * self.images

    @property
    def all_answers(self) -> int:
        return self.all_images * self.answers

    def share(self, processes: int) -> Self:
        """The largest share of one of several processes."""
        return replace(self, images=ceil(self.images / processes))


class Batch(NamedTuple):
    """A batch for decoding: trees, each with `shared` tokens of image and prompts and with its answers."""

    trees: int
    answers: int
    shared: int

    @classmethod
    def of(cls, generation: Generation, assumed: Assumed, limits: BatchLimits, tree: bool) -> Batch:
        """The largest batch within the limits; on the padded path each answer is a tree of its own."""
        answers = min(generation.answers, limits.answers) if tree else 1
        shared = assumed.most_image_tokens + (generation.prompts if tree else 1) * assumed.prompt_tokens
        wanted = generation.images * (1 if tree else generation.answers)
        return cls(max(1, min(wanted, limits.answers // answers, limits.tokens // shared)), answers, shared)

    @property
    def all_answers(self) -> int:
        return self.trees * self.answers

    @property
    def tokens(self) -> int:
        """Tokens of images and prompts."""
        return self.trees * self.shared


class Cost(NamedTuple):
    """Tokens generated, tokens of images and prompts, tokens of the update; operations of both; GPU-hours."""

    generated: float
    read: float
    trained: float
    flops: float
    hours: float


def limits_of(settings: Settings) -> BatchLimits:
    """The limits of a batch of the engine `transformers`; its defaults if another engine generates."""
    backend = settings.engine if isinstance(settings.engine, TransformersBackend) else TransformersBackend()
    return BatchLimits(backend.batch, backend.tokens)


def generations(settings: Settings, images: int | None, assumed: Assumed) -> list[Generation]:
    """All completions of an iteration, in order; every question counts as valid and every answer as kept.

    The answers to labelled items have no calls: they take memory, but their cost is left out.

    Args:
        images: number of images; None if it is not known.
    Raises:
        ConfigError: `silver.images` is null, for all images, and their number is not known.
    """
    q, silver, r, accept = settings.questioner, settings.silver, settings.reasoner, settings.acceptance
    if images is None and silver.images is None:
        raise ConfigError("silver.images is for all images; give --images or --set silver.images=N")
    taken = min(n for n in (silver.images, images) if n is not None)
    step = min(n for n in (q.images_per_step, images) if n is not None)
    new = partial(Generation, longest=assumed.longest)

    means = {"lists": assumed.list_tokens, "records": assumed.record_tokens}

    def extra(whose: str, calls: int, images: int, asked: Sequence[tuple[str, ExtraRequests]]) -> Iterator[Generation]:
        for name, one in asked:
            mean = means.get(one.kind, assumed.answer_tokens)
            size = (images * one.versions, one.prompts, one.completions)
            yield new(f"{whose} {name}", calls, *size, mean, r.untrained_sampling)

    own, *given = image_counts(taken, silver.tasks)
    gates = q.gates if q.reward.uses_gates else ()
    each, question, untrained = silver.questions_per_image, assumed.question_tokens, q.untrained_sampling
    found = [
        new("questions", q.steps, step, 1, q.group_size, question, q.sampling, trained=True),
        *extra("their", q.steps, step, _asked(q.labeler or silver.labeler, q.group_size, q.votes, gates)),
        new("silver questions", 1, own, 1, 0 if q.bank else each, question, untrained),
        *extra("silver", 1, own, _asked(silver.labeler, each, silver.votes, silver.gates)),
        *(
            generation
            for source, count in zip(silver.tasks, given, strict=True)
            for generation in extra(source.name, 1, count, [(one.kind, one) for one in source.requests()])
        ),
        new("answers", r.steps, r.questions_per_step, 1, r.group_size, assumed.answer_tokens, r.sampling, trained=True),
        new("verdict questions", 1, accept.images, 1, 0 if q.bank else accept.questions_per_image, question, untrained),
        # The frozen questions are answered again, and new questions are answered too.
        *extra("verdict", 2, accept.images, _asked(silver.labeler, accept.questions_per_image, accept.votes)),
    ]
    found = [generation for generation in found if generation.all_answers]
    if settings.evaluation.suites or settings.acceptance.validation_set is not None:
        found.append(new("measuring", 0, _MANY, 1, 1, assumed.answer_tokens, r.sampling))
    return found


def _asked(labeler: Labeler, questions: int, votes: int, gates: Sequence[Gate] = ()) -> list[tuple[str, ExtraRequests]]:
    """The requests of a labeler and gates to the Reasoner for an image with so many questions, by name."""
    labels = [(extra.kind, extra) for extra in labeler.requests(questions, votes)]
    return labels + [(gate.name, extra) for gate in gates for extra in gate.requests(questions)]


def cost(
    generation: Generation, weights: tuple[int, int], settings: Settings, assumed: Assumed, tree: bool, processes: int
) -> Cost:
    """The cost of completions: 2 operations per weight and token forward, twice that again for each gradient.

    Frozen weights have no gradient of their own, so a trained token costs 4 with adapters and 6 without; the
    reference is one more pass forward, and so is gradient checkpointing. Trees compute once what answers share.

    Args:
        weights: numbers, of the decoder's layers and of the layer to the vocabulary.
    """
    decoder, head = weights
    generated = float(generation.all_answers * min(generation.mean_tokens, generation.limit))
    roots, prompts = (generation.all_images, generation.prompts) if tree else (generation.all_answers, 1)
    read = roots * (assumed.image_tokens + prompts * assumed.prompt_tokens)
    writing = 2 * (decoder * (read + generated) + head * generated)

    kl = settings.questioner.kl if generation.name == "questions" else None
    reference = (settings.rl.kl if kl is None else kl) > 0
    passes = (4 if settings.tune == "lora" else 6) + 2 * (reference + settings.gradient_checkpointing)
    trained = read + generated if generation.trained else 0.0
    learning = passes * (decoder * trained + head * generated) if generation.trained else 0.0

    share, rate = generation.share(processes), assumed.tflops * 1e12
    batch = Batch.of(share, assumed, limits_of(settings), tree)
    steps = share.calls * ceil(share.images * share.answers / batch.all_answers) * share.limit
    seconds = max(writing / rate, processes * steps * assumed.step_ms / 1e3) + learning / rate
    return Cost(generated, read, trained, writing + learning, seconds / 3600)


def total(costs: Sequence[Cost]) -> Cost:
    """The sum of each figure."""
    return Cost(*(sum(figures) for figures in zip(*costs, strict=True)))
