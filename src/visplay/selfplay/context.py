"""What the phases of a run work with, and how its images are shared out among them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from visplay.config import Settings
from visplay.data.sampler import Sampler
from visplay.interfaces.image_source import Observer
from visplay.labeling.files import read_silver, silver_file
from visplay.runs import read_metrics
from visplay.runs.checkpointer import Checkpointer, StatePart
from visplay.selfplay.acceptance import Acceptance, ValidationSet, hold_out_images, without_validation_images
from visplay.selfplay.curriculum import NewestRewards
from visplay.selfplay.failures import taken_back
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.outcome import nothing_learned
from visplay.selfplay.run_images import RunImages
from visplay.selfplay.schedule import InputCounts, phases
from visplay.selfplay.state import SelfPlayState
from visplay.types import ImageRef, SilverItem, StepId, Suite

ACCEPTED, BEST, PHASE = "accepted", "best", "phase"  # names of pinned checkpoints


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
        run_images: all unlabeled images, and which of them are left.
        images: the training images.
        newest_rewards: of the Reasoner's training, for its curriculum.
        sampler: draws from those that are left. A rejection does not reset it, so the next iteration sees other images.
    Raises:
        ImageError, EvaluationError: the run began with other images or with another validation set.
    """

    def __init__(self, inputs: RunInputs, state: SelfPlayState, settings: Settings, logger: RunLogger) -> None:
        self.inputs = inputs
        self.state = state
        self.settings = settings
        self.logger = logger
        self.run_images = RunImages(logger.run.path, inputs.images)
        apart = without_validation_images(self.run_images.images, inputs.validation_set)
        held_out, self.images = hold_out_images(apart, settings.acceptance.images, settings.seed)
        folder, labelled = logger.run.path / "acceptance", None
        if inputs.validation_set and settings.acceptance.validation_set:
            labelled = ValidationSet(folder, inputs.validation_set, state.reasoner)
        self.acceptance = Acceptance(folder, held_out, settings.acceptance, labelled, left=self.run_images.left)
        self.sampler = Sampler(self.images, settings.seed, self.run_images.usable)
        self.newest_rewards = NewestRewards()
        names = [phase.name for phase in phases()]
        parts: dict[str, StatePart] = {
            "sampler": self.sampler,
            "acceptance": self.acceptance,
            "newest rewards": self.newest_rewards,
        }
        back_to = ACCEPTED if taken_back(logger.run) else None
        self.checkpointer = Checkpointer(logger.run, names, state, parts, settings.checkpoint_every, back_to)
        self._silver: dict[int, tuple[SilverItem, ...]] = {}
        self._prepared = (0, "")  # the phase that `prepare_phase` prepared last
        items = len(labelled.suite.items) if labelled else 0
        logger.begin(InputCounts(len(self.images), len(held_out), items, len(inputs.suites)), state.reduced)

    @contextmanager
    def step(self, at: StepId) -> Iterator[dict[str, Any]]:
        """A step of the logger, whose line counts the images that were lost so far, if there are any."""
        with self.logger.step(at) as record:
            yield record
            if self.run_images.lost:
                record["lost_images"] = len(self.run_images.lost)

    def prepare_phase(self, at: StepId) -> None:
        """Give the role of a phase that trains the optimizer and the reference that the settings want; once a phase."""
        by_phase, phase = self.settings.rl.reference == "phase", (at.iteration, at.phase)
        if at.step == 0:
            if by_phase:
                self.checkpointer.pin_start(PHASE)
            self.state.begin_phase(at.phase)
        elif by_phase and self._prepared != phase:
            kept = self.checkpointer.has_pinned(PHASE)
            self.state.resume_phase(at.phase, self.checkpointer.pinned(PHASE) if kept else None)
        self._prepared = phase

    def draw(self, count: int) -> tuple[ImageRef, ...]:
        """The sampler's next images, each once; fewer than `count` if fewer are left."""
        return tuple(dict.fromkeys(self.sampler.take(min(count, len(self.images)))))

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
