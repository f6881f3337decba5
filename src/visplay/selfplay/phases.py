"""The phases of an iteration, one function each: what is asked of both roles, and what is written down.

`schedule.PHASES` names these functions. Each call is one step of the loop and writes one line of metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visplay.data.random_streams import random_stream
from visplay.evaluation.runner import measure
from visplay.evaluation.silver_truth import oracle_verdict, paper_comparison, silver_truth
from visplay.labeling import silver_file, synthesize, write_silver
from visplay.labeling.asked_records import step_rows, synthesis_rows, write_record
from visplay.labeling.gates import apply_gates, make_gates
from visplay.selfplay.context import PhaseContext
from visplay.types import SilverItem, StepId

ACCEPTED, BEST = "accepted", "best"  # names of pinned checkpoints


def train_questioner(context: PhaseContext, at: StepId) -> None:
    """G questions per image, m answers a question, gates, one GRPO step on the Questioner."""
    settings, state, logger, (t, _, step) = context.settings, context.state, context.logger, at
    images = context.sampler.take(min(settings.questioner.images_per_step, len(context.images)))
    known = context.known_questions(t)
    gates = make_gates(settings.questioner.gates, settings.silver, state.reasoner, known)
    with logger.step("questioner", t, step) as record:
        asked = state.questioner.ask(images, settings.questioner.group_size, f"{t}/questioner/{step}")
        questions = [one.question for one in asked if one.question is not None]
        candidates = state.rewarding_labeler.label(questions, settings.questioner.votes)
        passed, dropped = apply_gates(gates if settings.questioner.reward == "chance_corrected" else {}, candidates)
        rewards = state.questioner.rewards(asked, {c.question.id: c.result for c in candidates}, dropped)
        write_record(logger.run.path, at, step_rows(asked, candidates, dropped, rewards))
        groups = state.questioner.groups(asked, rewards)
        record |= state.questioner_trainer.step(groups) | state.questioner.engine.metrics()
        record["valid"] = len(questions) / len(asked)
        record["passed"] = len(passed) / len(asked)
        record["confidence"] = float(np.mean([c.result.confidence for c in candidates])) if candidates else None
        record["distinct_texts"] = len({q.text for q in questions})


def make_silver_set(context: PhaseContext, at: StepId) -> None:
    """N questions per image, silver answers, gates; the kept ones go to the iteration's Parquet file."""
    settings, state, logger, t = context.settings, context.state, context.logger, at.iteration
    images = context.sampler.take(min(settings.silver.images or len(context.images), len(context.images)))
    known, truth = context.known_questions(t), context.inputs.truth
    gates = make_gates(settings.silver.gates, settings.silver, state.reasoner, known)
    with logger.step("silver", t, 0) as record:
        silver = settings.silver
        synthesis = synthesize(
            state.questioner,
            state.labeler,
            gates,
            images,
            silver.questions_per_image,
            silver.votes,
            f"{t}/silver",
        )
        write_silver(silver_file(logger.run.path, t), synthesis.items, t)
        write_record(logger.run.path, at, synthesis_rows(synthesis))
        record |= synthesis.statistics()
        if truth is not None:
            kept = {item.question.id for item in synthesis.items}
            record |= silver_truth(truth, [(c.question, c.result) for c in synthesis.candidates], kept)
            questions = [c.question for c in synthesis.candidates[: settings.evaluation.paper_comparison]]
            record |= paper_comparison(truth, state.reasoner, questions, silver.votes)


def train_reasoner(context: PhaseContext, at: StepId) -> None:
    """G answers a silver question, one GRPO step on the Reasoner."""
    settings, state, logger, (t, _, step) = context.settings, context.state, context.logger, at
    items = silver_batch(context.silver(t), settings.reasoner.questions_per_step, at, settings.seed)
    with logger.step("reasoner", t, step) as record:
        record |= state.reasoner_trainer.step(state.reasoner.groups(items, f"{t}/reasoner/{step}"))
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
        for decoding, results in measurement.by_decoding().items():
            record |= {f"{decoding}/{name}": result.accuracy for name, result in results.items()}


def accept_or_roll_back(context: PhaseContext, at: StepId) -> None:
    """Keep the iteration, or take both roles and the question history back to the last accepted one.

    Iteration 0 freezes what later ones are compared with: the base's answers to questions about held-out images and to
    the user's labelled items. The base is the first accepted iteration.
    """
    acceptance, state, t, truth = context.acceptance, context.state, at.iteration, context.inputs.truth
    with context.logger.step("accept", t, 0) as record:
        if t == 0:
            record["anchor"] = len(acceptance.freeze(state.questioner, state.labeler))
            if acceptance.labelled:
                record["validation_accuracy"] = acceptance.labelled.result(0).accuracy
            _pin_checkpoint(context, t)
            return
        verdict = acceptance.judge(state.questioner, state.labeler, t, bool(context.silver(t)))
        record |= verdict.as_metrics()
        if truth is not None and acceptance.images:
            record |= oracle_verdict(truth, *acceptance.answers(verdict.against, t))
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
