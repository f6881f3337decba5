"""What the phases of a run work with, and how its images are shared out among them."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.config import Settings
from visplay.data.sampler import Sampler
from visplay.interfaces.image_source import Observer
from visplay.labeling.files import read_silver, silver_file
from visplay.runs import read_metrics
from visplay.runs.checkpointer import Checkpointer, StatePart
from visplay.selfplay.acceptance import Acceptance, ValidationSet, hold_out_images, without_validation_images
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.outcome import nothing_learned
from visplay.selfplay.schedule import InputCounts, phases
from visplay.selfplay.state import SelfPlayState
from visplay.types import ImageRef, SilverItem, Suite


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


class PhaseContext:
    """The values that every phase works with; for a resumed run, those after its last saved step.

    Attributes:
        images: the training images.
        sampler: draws from them. A rejection does not reset it, so the next iteration sees other images.
    Raises:
        ImageError, EvaluationError: the run began with other images or with another validation set.
    """

    def __init__(self, inputs: RunInputs, state: SelfPlayState, settings: Settings, logger: RunLogger) -> None:
        self.inputs = inputs
        self.state = state
        self.settings = settings
        self.logger = logger
        apart = without_validation_images(inputs.images, inputs.validation_set)
        held_out, self.images = hold_out_images(apart, settings.acceptance.images, settings.seed)
        folder, labelled = logger.run.path / "acceptance", None
        if inputs.validation_set and settings.acceptance.validation_set:
            labelled = ValidationSet(folder, inputs.validation_set, state.reasoner)
        self.acceptance = Acceptance(folder, held_out, settings.acceptance, labelled)
        self.sampler = Sampler(self.images, settings.seed)
        names = [phase.name for phase in phases()]
        parts: dict[str, StatePart] = {"sampler": self.sampler, "acceptance": self.acceptance}
        self.checkpointer = Checkpointer(logger.run, names, state, parts, settings.checkpoint_every)
        self._silver: dict[int, tuple[SilverItem, ...]] = {}
        items = len(labelled.suite.items) if labelled else 0
        logger.begin(InputCounts(len(self.images), len(held_out), items, len(inputs.suites)))

    @property
    def learned_nothing(self) -> bool:
        """Whether the first iteration had nothing to learn from, so that no other is worth its time."""
        lines = read_metrics(self.logger.run.path / "metrics.jsonl")
        return bool(nothing_learned(lines, self.settings.iterations))

    def silver(self, iteration: int) -> tuple[SilverItem, ...]:
        """The silver set of an iteration, which stays in memory; empty before its synthesis."""
        if iteration not in self._silver:
            file = silver_file(self.logger.run.path, iteration)
            if not file.exists():
                return ()
            self._silver = {iteration: read_silver(file, {image.id: image for image in self.images})}
        return self._silver[iteration]
