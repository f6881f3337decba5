"""The loop of VisPlay (arXiv 2511.15661, section 3): ask, vote, learn, measure, again.

For t = 1..T:
1. Questioner phase: the Reasoner is frozen; hard, varied, valid questions are rewarded.
2. Synthesis: questions over the images, silver answers (the paper: by majority), gates (the paper: the band).
3. Reasoner phase: agreement with the silver answer is rewarded.
4. Measurement on labelled suites that training never sees.
5. Acceptance, without labels or by a few of the user's: an iteration that lost what was sure, or what was right, is
   taken back (ours, not the paper's).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visplay.config import Settings
from visplay.data.sampler import Sampler
from visplay.interfaces.observer import Observer
from visplay.labeling.silver_file import read_silver, silver_file
from visplay.roles.question_history import QuestionHistory
from visplay.runs.checkpointer import Checkpointer
from visplay.selfplay.acceptance import Acceptance
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.phases import (
    accept_or_roll_back,
    freeze_reference_answers,
    make_silver_set,
    measure_reasoner,
    restore_selected,
    train_questioner,
    train_reasoner,
)
from visplay.selfplay.state import SelfPlayState
from visplay.selfplay.validation_set import ValidationSet, without_validation_images
from visplay.types import ImageRef, SilverItem, Suite


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a run looks at: unlabeled images; and, for measurement alone, suites and the oracle; and, to accept or
    reject what was learned, the user's labelled items."""

    images: tuple[ImageRef, ...]
    suites: tuple[Suite, ...]
    observer: Observer | None
    validation_set: Suite | None = None


def evolve(inputs: RunInputs, state: SelfPlayState, settings: Settings, logger: RunLogger) -> None:
    """Run all iterations, or those that are left; everything measured goes to the logger's run."""
    images = without_validation_images(inputs.images, inputs.validation_set)
    held_out, images = hold_out_images(images, settings.acceptance.images, settings.seed)
    folder = logger.run.path / "acceptance"
    labelled = (
        ValidationSet(folder, inputs.validation_set, state.reasoner)
        if inputs.validation_set and settings.acceptance.validation_set
        else None
    )
    acceptance = Acceptance(folder, held_out, settings.acceptance, labelled)
    sampler = Sampler(images, settings.seed)
    checkpointer = open_checkpointer(state, sampler, acceptance, logger, settings)
    by_id = {image.id: image for image in images}

    def steps(t: int, phase: str, count: int) -> Iterator[int]:
        state.offload_unused()
        return checkpointer.steps(t, phase, count)

    for _ in steps(0, "measure", 1 if settings.evaluation.before else 0):
        measure_reasoner(inputs.suites, state, settings, logger, 0)
    for _ in steps(0, "accept", 1 if acceptance.judges else 0):
        freeze_reference_answers(state, acceptance, logger)

    for t in range(1, settings.iterations + 1):
        if acceptance.over:
            break
        for step in steps(t, "questioner", settings.questioner.steps):
            taken = sampler.take(min(settings.questioner.images_per_step, len(images)))
            train_questioner(state, taken, settings, logger, t, step)

        for _ in steps(t, "silver", 1):
            taken = sampler.take(min(settings.silver.images or len(images), len(images)))
            make_silver_set(state, taken, inputs.observer, settings, logger, t)
        silver = read_silver(silver_file(logger.run.path, t), by_id)

        for step in steps(t, "reasoner", settings.reasoner.steps if silver else 0):
            items = silver_batch(silver, settings.reasoner.questions_per_step, step, [settings.seed, t])
            train_reasoner(state, items, logger, t, step)

        for _ in steps(t, "measure", 1):
            measure_reasoner(inputs.suites, state, settings, logger, t)
        for _ in steps(t, "accept", 1 if acceptance.judges else 0):
            accept_or_roll_back(state, acceptance, bool(silver), inputs.observer, logger, t)
    restore_selected(state, acceptance, logger)
    logger.finish(checkpointer.seconds)


def silver_batch(items: Sequence[SilverItem], size: int, step: int, seed: Sequence[int]) -> list[SilverItem]:
    """The silver items of a step: shuffled laps over the set, cut so that no step holds one twice."""
    size = min(size, len(items))
    lap, part = divmod(step, len(items) // size)
    order = np.random.default_rng([*seed, lap]).permutation(len(items))
    return [items[i] for i in order[part * size : (part + 1) * size]]


def hold_out_images(
    images: Sequence[ImageRef], count: int, seed: int
) -> tuple[tuple[ImageRef, ...], tuple[ImageRef, ...]]:
    """`count` images to judge by, but a fifth of all at the most, drawn from `seed`; and the others."""
    count = min(count, len(images) // 5)
    drawn = set(np.random.default_rng([seed, 4]).permutation(len(images))[:count].tolist())
    held = tuple(image for place, image in enumerate(images) if place in drawn)
    return held, tuple(image for place, image in enumerate(images) if place not in drawn)


def open_checkpointer(
    state: SelfPlayState, sampler: Sampler, acceptance: Acceptance, logger: RunLogger, settings: Settings
) -> Checkpointer:
    """The run's finished steps; everything that remembers is set to where the last one left it."""
    remembering: dict[str, Sampler | QuestionHistory | Acceptance] = {
        "sampler": sampler,
        "memory": state.questioner.history,
        "acceptance": acceptance,
    }

    def restore(folder: Path, saved: dict[str, Any]) -> None:
        state.restore(folder)
        for name, one in remembering.items():
            one.restore(saved[name])

    def remembered() -> dict[str, Any]:
        return {name: one.state() for name, one in remembering.items()}

    return Checkpointer(logger.run, state.save, restore, remembered, settings.checkpoint_every)
