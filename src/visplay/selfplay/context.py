"""What the phases of a run work with, and how its images are shared out among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from visplay.config import Settings
from visplay.data.random_streams import random_stream
from visplay.data.sampler import Sampler
from visplay.interfaces.observer import Observer
from visplay.labeling.files import read_silver, silver_file
from visplay.runs.checkpointer import Checkpointer
from visplay.selfplay.acceptance import Acceptance
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.schedule import InputCounts, phases
from visplay.selfplay.state import SelfPlayState
from visplay.selfplay.validation_set import ValidationSet, without_validation_images
from visplay.types import ImageRef, SilverItem, Suite

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a run looks at.

    Attributes:
        images: the unlabeled images. Some are held out for acceptance; the others train.
        suites: labelled suites, for measurement alone.
        observer: measures labels and verdicts against the truth; None where the truth is not known.
        validation_set: the user's labelled items, to accept or reject iterations by.
    """

    images: tuple[ImageRef, ...]
    suites: tuple[Suite, ...]
    observer: Observer | None
    validation_set: Suite | None = None


@dataclass(frozen=True, slots=True)
class PhaseContext:
    """What every phase works with.

    Attributes:
        images: those that train.
        sampler: draws from them. It goes on after a rejected iteration, so that the next one sees other images.
    """

    inputs: RunInputs
    images: tuple[ImageRef, ...]
    settings: Settings
    state: SelfPlayState
    logger: RunLogger
    sampler: Sampler
    acceptance: Acceptance
    checkpointer: Checkpointer
    _silver: dict[int, tuple[SilverItem, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, inputs: RunInputs, state: SelfPlayState, settings: Settings, logger: RunLogger) -> PhaseContext:
        """Set a run up, or go on with it: everything is as its last remembered step left it.

        Raises:
            ImageError, EvaluationError: the images or the validation set are not those the run began with.
        """
        apart = without_validation_images(inputs.images, inputs.validation_set)
        held_out, images = hold_out_images(apart, settings.acceptance.images, settings.seed)
        folder = logger.run.path / "acceptance"
        labelled = (
            ValidationSet(folder, inputs.validation_set, state.reasoner)
            if inputs.validation_set and settings.acceptance.validation_set
            else None
        )
        acceptance = Acceptance(folder, held_out, settings.acceptance, labelled)
        sampler = Sampler(images, settings.seed)
        checkpointer = Checkpointer(
            logger.run,
            [phase.name for phase in phases()],
            state,
            {"sampler": sampler, "acceptance": acceptance},
            settings.checkpoint_every,
        )
        items = len(labelled.suite.items) if labelled else 0
        logger.begin(InputCounts(len(images), len(held_out), items, len(inputs.suites)))
        return cls(inputs, images, settings, state, logger, sampler, acceptance, checkpointer)

    def silver(self, iteration: int) -> tuple[SilverItem, ...]:
        """The silver set of an iteration; empty until it is made."""
        return _last(self._silver, iteration, self._read_silver)

    def _read_silver(self, iteration: int) -> tuple[SilverItem, ...]:
        file = silver_file(self.logger.run.path, iteration)
        return read_silver(file, {image.id: image for image in self.images}) if file.exists() else ()


def _last(kept: dict[int, tuple[T, ...]], iteration: int, read: Callable[[int], tuple[T, ...]]) -> tuple[T, ...]:
    """What `read` gives for an iteration; the last answer that was not empty is kept for the steps that follow."""
    if iteration not in kept:
        found = read(iteration)
        if not found:
            return found
        kept.clear()
        kept[iteration] = found
    return kept[iteration]


def hold_out_images(
    images: Sequence[ImageRef], count: int, seed: int
) -> tuple[tuple[ImageRef, ...], tuple[ImageRef, ...]]:
    """`count` images to judge by, but a fifth of all at the most, drawn from `seed`; and the others."""
    count = min(count, len(images) // 5)
    drawn = set(random_stream(seed, "acceptance/held-out images").permutation(len(images))[:count].tolist())
    held = tuple(image for place, image in enumerate(images) if place in drawn)
    return held, tuple(image for place, image in enumerate(images) if place not in drawn)
