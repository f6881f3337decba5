"""The phases of an iteration, one function each: what is asked of both roles, and what is written down.

`schedule.PHASES` names these functions. Each call is one step of the loop and writes one line of metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from visplay.data.random_streams import random_stream
from visplay.evaluation.runner import measure
from visplay.labeling.apply_gates import apply_gates
from visplay.labeling.asked_records import step_rows, synthesis_rows, write_record
from visplay.labeling.silver_file import silver_file, write_silver
from visplay.labeling.synthesis import synthesize
from visplay.rl.dynamic_sampling import has_advantage, replace_uninformative
from visplay.roles.questioner import Asked, RewardBreakdown
from visplay.selfplay.context import PhaseContext
from visplay.types import Candidate, Group, SilverItem, StepId

ACCEPTED, BEST = "accepted", "best"  # names of pinned checkpoints


@dataclass(frozen=True, slots=True)
class _Rollout:
    """What the Questioner asked about some images, and what came of it."""

    asked: tuple[Asked, ...]
    candidates: tuple[Candidate, ...]
    rejected: Mapping[str, tuple[str, str]]
    rewards: Mapping[str, RewardBreakdown]
    groups: tuple[Group, ...]


def train_questioner(context: PhaseContext, at: StepId) -> None:
    """G questions per image, m answers per question, gates, rewards, one update of the Questioner."""
    settings, state, (t, _, step) = context.settings, context.state, at
    with context.logger.step("questioner", t, step) as record:
        tag = f"{t}/questioner/{step}"
        rollouts = [_ask_and_reward(context, settings.questioner.images_per_step, tag)]

        def sample_more(number: int, missing: int) -> Sequence[Group]:
            rollouts.append(_ask_and_reward(context, missing, f"{tag}+{number}"))
            return rollouts[-1].groups

        groups = replace_uninformative(
            rollouts[0].groups,
            sample_more,
            partial(has_advantage, estimator=settings.rl.advantages),
            settings.rl.dynamic_sampling,
        )
        rows = (step_rows(r.asked, r.candidates, r.rejected, r.rewards) for r in rollouts)
        write_record(context.logger.run.path, at, chain.from_iterable(rows))
        record |= state.questioner_trainer.step(groups) | state.questioner.engine.metrics()
        asked = [one for rollout in rollouts for one in rollout.asked]
        candidates = [candidate for rollout in rollouts for candidate in rollout.candidates]
        answered = sum(candidate.result.answer is not None for candidate in candidates)
        questions = [one.question for one in asked if one.question is not None]
        record["valid"] = len(questions) / len(asked)
        record["passed"] = (answered - sum(len(rollout.rejected) for rollout in rollouts)) / len(asked)
        record["confidence"] = float(np.mean([c.result.confidence for c in candidates])) if candidates else None
        record["distinct_texts"] = len({q.text for q in questions})


def _ask_and_reward(context: PhaseContext, count: int, tag: str) -> _Rollout:
    """Questions about `count` further images, at most all, with votes, gates and rewards."""
    settings, state = context.settings.questioner, context.state
    images = context.sampler.take(min(count, len(context.images)))
    asked = state.questioner.ask(images, settings.group_size, tag, trained=True)
    questions = [one.question for one in asked if one.question is not None]
    candidates = state.rewarding_labeler.label(questions, settings.votes, state.reasoner)
    _, rejected = apply_gates(settings.gates if settings.reward.uses_gates else (), candidates, state.reasoner)
    rewards = state.questioner.rewards(asked, {c.question.id: c.result for c in candidates}, rejected)
    groups = state.questioner.groups(asked, rewards)
    return _Rollout(tuple(asked), tuple(candidates), rejected, rewards, tuple(groups))


def make_silver_set(context: PhaseContext, at: StepId) -> None:
    """N questions per image, silver answers, gates; the kept ones go to the iteration's Parquet file."""
    settings, state, logger, t = context.settings, context.state, context.logger, at.iteration
    images = context.sampler.take(min(settings.silver.images or len(context.images), len(context.images)))
    observer = context.inputs.observer
    with logger.step("silver", t, 0) as record:
        silver = settings.silver
        synthesis = synthesize(
            state.questioner,
            state.labeler,
            silver.gates,
            state.reasoner,
            images,
            silver.questions_per_image,
            silver.votes,
            f"{t}/silver",
        )
        write_silver(silver_file(logger.run.path, t), synthesis.items, t)
        write_record(logger.run.path, at, synthesis_rows(synthesis))
        record |= synthesis.statistics()
        if observer is not None:
            kept = {item.question.id for item in synthesis.items}
            record |= observer.on_silver_set(
                synthesis.candidates, kept, state.reasoner, silver.votes, settings.evaluation.paper_comparison
            )


def train_reasoner(context: PhaseContext, at: StepId) -> None:
    """G answers per silver question, rewards, one update of the Reasoner."""
    settings, state, (t, _, step) = context.settings, context.state, at
    silver, wanted = context.silver(t), settings.reasoner.questions_per_step
    items = silver_batch(silver, wanted, at, settings.seed)
    with context.logger.step("reasoner", t, step) as record:

        def sample_more(number: int, missing: int) -> Sequence[Group]:
            # The batches of the planned steps end at the step `reasoner.steps`; extra rounds go on behind them.
            beyond = at._replace(step=step + number * settings.reasoner.steps)
            more = silver_batch(silver, missing, beyond, settings.seed)
            items.extend(more)
            return state.reasoner.groups(more, f"{t}/reasoner/{step}+{number}")

        first = state.reasoner.groups(items, f"{t}/reasoner/{step}")
        groups = replace_uninformative(
            first, sample_more, partial(has_advantage, estimator=settings.rl.advantages), settings.rl.dynamic_sampling
        )
        record |= state.reasoner_trainer.step(groups)
        record |= state.reasoner.engine.metrics()
        record["confidence"] = float(np.mean([item.confidence for item in items]))


def measure_reasoner(context: PhaseContext, at: StepId) -> None:
    """Greedy and sampled accuracy on every suite; the marks of all items are kept."""
    settings, state, logger, t = context.settings, context.state, context.logger, at.iteration
    suites = context.inputs.suites
    with logger.step("measure", t, 0) as record:
        measurement = measure(
            state.reasoner.voter,
            suites,
            state.prompts.answer,
            settings.reasoner.sampling.max_tokens,
            settings.evaluation.sampled,
            k=settings.evaluation.pass_k,
            k_items=settings.evaluation.pass_items,
            no_image=settings.evaluation.no_image,
        )
        logger.keep_measurement(t, measurement)
        for decoding, results in measurement.by_decoding.items():
            record |= {f"{decoding}/{name}": result.accuracy for name, result in results.items()}


def accept_or_roll_back(context: PhaseContext, at: StepId) -> None:
    """Keep the iteration, or take both roles and the question history back to the last accepted one.

    Iteration 0 freezes what later ones are compared with: the base's answers to questions about held-out images and to
    the user's labelled items. The base is the first accepted iteration.
    """
    acceptance, state, t, observer = context.acceptance, context.state, at.iteration, context.inputs.observer
    with context.logger.step("accept", t, 0) as record:
        if t == 0:
            record["frozen_questions"] = len(acceptance.freeze(state.questioner, state.labeler, state.reasoner))
            if acceptance.labelled:
                record["validation_accuracy"] = acceptance.labelled.result(0).accuracy
            _pin_checkpoint(context, t)
            return
        verdict = acceptance.judge(state.questioner, state.labeler, state.reasoner, t, bool(context.silver(t)))
        record |= verdict.as_metrics()
        if observer is not None and acceptance.images:
            record |= observer.on_verdict(*acceptance.answers(verdict.against, t))
        if verdict.accepted:
            _pin_checkpoint(context, t)
        else:
            context.checkpointer.go_back(ACCEPTED)


def _pin_checkpoint(context: PhaseContext, t: int) -> None:
    """Keep the checkpoint of an accepted iteration; by another name too where the validation set calls it the best."""
    context.checkpointer.pin(ACCEPTED)
    if context.acceptance.labelled and context.acceptance.best == t:
        context.checkpointer.pin(BEST)


def restore_selected(context: PhaseContext) -> None:
    """Both roles as the best accepted iteration left them, where that is not the last accepted."""
    if context.acceptance.best != context.acceptance.last_accepted:
        context.state.restore_roles(context.checkpointer.pinned(BEST))


def silver_batch(items: Sequence[SilverItem], size: int, at: StepId, seed: int) -> list[SilverItem]:
    """The silver items of a step: shuffled laps over the set, cut so that no step holds one twice."""
    size = min(size, len(items))
    lap, part = divmod(at.step, len(items) // size)
    order = random_stream(seed, f"{at.iteration}/{at.phase}/lap {lap}").permutation(len(items))
    return [items[i] for i in order[part * size : (part + 1) * size]]
