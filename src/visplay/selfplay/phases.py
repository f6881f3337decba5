"""The phases of an iteration, one function each: what is asked of both roles, and what is written down.

`schedule.PHASES` names these functions. Each call is one step of the loop and writes one line of metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from visplay.errors import ImageError
from visplay.evaluation.baselines import Baselines
from visplay.evaluation.results import measurement_file
from visplay.evaluation.runner import measure
from visplay.labeling.choice import augmentation_scores, best_augmentations
from visplay.labeling.files import answer_rows, silver_file, step_rows, synthesis_rows, write_record, write_silver
from visplay.labeling.synthesis import apply_gates, distinct, synthesize
from visplay.rl.dynamic_sampling import has_advantage, replace_uninformative
from visplay.rl.trainer import Trainer
from visplay.roles.questioner import Asked, RewardBreakdown
from visplay.runs.files import make_folder
from visplay.selfplay.context import ACCEPTED, BEST, PhaseContext
from visplay.selfplay.curriculum import draw_batch
from visplay.types import Augmentation, Candidate, Group, SilverItem, StepId


def choose_augmentations(context: PhaseContext, at: StepId) -> None:
    """The base's votes decide which of the labeler's augmentations the run goes on with; its settings change."""
    settings, state = context.settings.silver, context.state
    choice, run = settings.choose_augmentations, context.logger.run
    candidates: tuple[Augmentation, ...] = getattr(settings.labeler, "augmentations", ())
    assert choice is not None
    with context.step(at) as record:
        asked = state.questioner.ask(context.images[: choice.images], settings.questions_per_image, "0/augmentations")
        questions = distinct(one.question for one in asked if one.question is not None)
        votes = state.reasoner.votes(questions, settings.votes * len(candidates), candidates)
        scores = augmentation_scores(votes, candidates, choice.by)
        chosen = best_augmentations(scores, candidates, choice.keep)
        record |= {"questions": len(questions), choice.by: dict(scores), "chosen": list(chosen)}
        if chosen != candidates:
            run.change_settings({"silver.labeler.augmentations": list(chosen)}, "augmentations chosen", at)
    context.settings = run.settings
    state.use_labelers(run.settings)


def train_questioner(context: PhaseContext, at: StepId) -> None:
    """G questions per image, m answers per question, gates, rewards, one update of the Questioner."""
    state, tag = context.state, f"{at.iteration}/questioner/{at.step}"
    context.prepare_phase(at)
    with context.step(at) as record:
        rollout = _Rollout(context)
        groups = rollout.sample(context.settings.questioner.images_per_step, tag)
        trainer = state.questioner_trainer
        groups, wasted = _informative(trainer, groups, lambda number, more: rollout.sample(more, f"{tag}+{number}"))
        asked, candidates, rejected = rollout.asked, rollout.candidates, rollout.rejected
        write_record(context.logger.run.path, at, step_rows(asked, candidates, rejected, rollout.rewards))
        decay = trainer.settings.decay_at(at.step, context.settings.questioner.steps)
        record |= trainer.step(groups, decay) | state.questioner.engine.metrics()
        answered = sum(candidate.result.answer is not None for candidate in candidates)
        questions = [one.question for one in asked if one.question is not None]
        record["uninformative_groups"] = wasted
        record["valid"] = len(questions) / len(asked)
        record["passed"] = (answered - len(rejected)) / len(asked)
        record["confidence"] = float(np.mean([c.result.confidence for c in candidates])) if candidates else None
        record["distinct_texts"] = len({q.text for q in questions})


@dataclass(frozen=True, slots=True)
class _Rollout:
    """The questions of a Questioner step, with their votes and rewards."""

    context: PhaseContext
    asked: list[Asked] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    rejected: dict[str, tuple[str, str]] = field(default_factory=dict)
    rewards: dict[str, RewardBreakdown] = field(default_factory=dict)

    def sample(self, count: int, tag: str) -> list[Group]:
        """Ask about `count` further images, at most all; votes, gates and rewards give the groups.

        Images that vanish in the meantime are left out; if all do, others are drawn.
        """
        settings, state = self.context.settings.questioner, self.context.state
        images = self.context.draw(count)
        asked = state.questioner.ask(images, settings.group_size, tag, trained=True)
        questions = [one.question for one in asked if one.question is not None]
        candidates = state.rewarding_labeler.label(questions, settings.votes, state.reasoner)
        gates = settings.gates if settings.reward.uses_gates else ()
        _, rejected = apply_gates(gates, candidates, state.reasoner)
        there = self.context.run_images.left(images)
        if not there:
            return self.sample(count, tag)
        asked = [one for one in asked if one.request.image.id in there]
        candidates = [candidate for candidate in candidates if candidate.question.image.id in there]
        rewards = state.questioner.rewards(asked, {c.question.id: c for c in candidates}, rejected)
        self.asked.extend(asked)
        self.candidates.extend(candidates)
        self.rejected.update(rejected)
        self.rewards.update(rewards)
        return state.questioner.groups(asked, rewards)


def _informative(
    trainer: Trainer, groups: Sequence[Group], sample_more: Callable[[int, int], Sequence[Group]]
) -> tuple[list[Group], float]:
    """`groups`, and the share of all sampled groups that have no advantage.

    With dynamic sampling, groups without an advantage are replaced by some of `sample_more`.
    """
    informative = partial(has_advantage, estimator=trainer.settings.advantages)
    sampled = [*groups]

    def more(number: int, missing: int) -> Sequence[Group]:
        further = sample_more(number, missing)
        sampled.extend(further)
        return further

    found = replace_uninformative(groups, more, informative, trainer.settings.dynamic_sampling)
    return found, sum(not informative(group) for group in sampled) / max(1, len(sampled))


def make_silver_set(context: PhaseContext, at: StepId) -> None:
    """N questions per image, silver answers, gates; the kept ones go to the iteration's Parquet file."""
    state, silver, observer = context.state, context.settings.silver, context.inputs.observer
    folder, t = context.logger.run.path, at.iteration
    images = context.draw(silver.images or len(context.images))
    wanted, votes = silver.questions_per_image, silver.votes
    with context.step(at) as record:
        synthesis = synthesize(
            state.questioner,
            state.labeler,
            silver.gates,
            state.reasoner,
            images,
            wanted,
            votes,
            f"{t}/silver",
            silver.tasks,
        )
        synthesis = synthesis.about(context.run_images.left([*images, *synthesis.images]))
        if not context.run_images.left(images):
            raise ImageError("all images of the silver set vanished; put them back, then continue with --resume")
        write_silver(silver_file(folder, t), synthesis.items, t)
        write_record(folder, at, synthesis_rows(synthesis))
        record |= synthesis.statistics()
        if observer is not None:
            kept = {item.question.id for item in synthesis.items}
            compared = context.settings.evaluation.paper_comparison
            record |= observer.on_silver_set(synthesis.candidates, kept, state.reasoner, votes, compared)


def train_reasoner(context: PhaseContext, at: StepId) -> None:
    """G answers per silver question, rewards, one update of the Reasoner."""
    settings, state, tag = context.settings, context.state, f"{at.iteration}/reasoner/{at.step}"
    silver, trainer, observer = context.silver(at.iteration), state.reasoner_trainer, context.inputs.observer
    context.prepare_phase(at)
    asked: dict[str, SilverItem] = {}
    asked_about: set[str] = set()  # ids of the questions

    def batch(size: int, of: StepId) -> list[SilverItem]:
        """Items whose images are still there."""
        while items := [item for item in silver if not context.run_images.is_lost(item.question.image)]:
            newest = context.newest_rewards.of(of.iteration)
            drawn = draw_batch(items, size, of, settings.seed, settings.reasoner, asked_about, newest)
            images = {item.question.image.id: item.question.image for item in drawn}
            if len(context.run_images.left(images.values())) == len(images):
                return drawn
        raise ImageError("all images of the silver set vanished; put them back, then continue with --resume")

    def sample(items: Sequence[SilverItem], tag: str) -> list[Group]:
        answered = [
            (group, item)
            for group, item in zip(state.reasoner.groups(items, tag), items, strict=True)
            if context.run_images.usable(item.question.image) and group.completions
        ]
        asked.update((group.request.id, item) for group, item in answered)
        asked_about.update(item.question.id for item in items)
        context.newest_rewards.note(at.iteration, answered)
        return [group for group, _ in answered]

    def sample_more(number: int, missing: int) -> list[Group]:
        # The batches of the planned steps end at the step `reasoner.steps`; extra rounds go on behind them.
        beyond = at._replace(step=at.step + number * settings.reasoner.steps)
        return sample(batch(missing, beyond), f"{tag}+{number}")

    with context.step(at) as record:
        wanted = settings.reasoner.questions_per_step
        groups = sample(batch(wanted, at), tag)
        if not groups:  # all of the images vanished while they were asked about
            groups = sample(batch(wanted, at), tag)
        groups, wasted = _informative(trainer, groups, sample_more)
        write_record(context.logger.run.path, at, answer_rows(groups, asked))
        decay = trainer.settings.decay_at(at.step, settings.reasoner.steps)
        record |= trainer.step(groups, decay) | state.reasoner.engine.metrics()
        record["uninformative_groups"] = wasted
        record["confidence"] = float(np.mean([item.confidence for item in asked.values()]))
        if observer is not None:
            items, advantages = [asked[group.request.id] for group in groups], trainer.advantages(groups)
            record |= observer.on_reasoner_step(items, groups, [found.tolist() for found in advantages])


def measure_reasoner(context: PhaseContext, at: StepId) -> None:
    """Greedy and sampled accuracy on every suite, and baselines by the base; the marks of all items are kept."""
    settings, state = context.settings, context.state
    with context.step(at) as record:
        measurement = measure(
            state.reasoner.voter,
            context.inputs.suites,
            state.prompts.answer,
            settings.reasoner.sampling.max_tokens,
            settings.evaluation.sampled,
            k=settings.evaluation.pass_k,
            no_image=settings.evaluation.no_image,
            baselines=Baselines.of(settings) if at.iteration == 0 and settings.evaluation.baseline_votes else None,
        )
        file = measurement_file(context.logger.run.path, at.iteration)
        make_folder(file.parent)
        measurement.save(file)
        for decoding, results in measurement.by_decoding.items():
            record |= {f"{decoding}/{name}": result.accuracy for name, result in results.items()}


def accept_or_roll_back(context: PhaseContext, at: StepId) -> None:
    """Keep the iteration, or take both roles, their optimizers and the question history back to the last accepted one.

    Images are drawn on from where they are, so that a repeated iteration sees others.

    Iteration 0 freezes what later ones are compared with: the base's answers to questions about held-out images and to
    the user's labelled items. The base is the first accepted iteration.
    """
    acceptance, state, t, observer = context.acceptance, context.state, at.iteration, context.inputs.observer
    with context.step(at) as record:
        if t == 0:
            record["frozen_questions"] = len(acceptance.freeze(state.questioner, state.labeler, state.reasoner))
            if acceptance.labelled:
                record["validation_accuracy"] = acceptance.labelled.result(0).accuracy
        else:
            taught = bool(context.silver(t))
            verdict = acceptance.judge(state.questioner, state.labeler, state.reasoner, t, taught)
            record |= verdict.as_metrics()
            if observer is not None and acceptance.images:
                record |= observer.on_verdict(*acceptance.answers(verdict.against, t))
        if acceptance.last_accepted == t:
            context.checkpointer.pin(ACCEPTED)
        else:
            context.checkpointer.go_back(ACCEPTED)
        # Without a validation set every accepted iteration is the best one.
        if acceptance.labelled and acceptance.best == t:
            context.checkpointer.pin(BEST)


def restore_selected(context: PhaseContext) -> None:
    """Both roles as the best accepted iteration left them, where that is not the last accepted."""
    if context.acceptance.best != context.acceptance.last_accepted:
        context.state.restore_roles(context.checkpointer.pinned(BEST))
