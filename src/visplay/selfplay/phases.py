"""The phases of an iteration, one function each: what is asked of both roles, and what is written down.

Each is one finished step of `evolve.py`'s loop, and begins and ends with its line of metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visplay.config import Settings
from visplay.evaluation.runner import measure
from visplay.interfaces.observer import Observer
from visplay.labeling.apply_gates import apply_gates
from visplay.labeling.asked_records import step_rows, synthesis_rows, write_record
from visplay.labeling.silver_file import silver_file, write_silver
from visplay.labeling.synthesis import synthesize
from visplay.selfplay.acceptance import Acceptance
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.schedule import StepId
from visplay.selfplay.state import SelfPlayState
from visplay.types import ImageRef, SilverItem, Suite


def train_questioner(
    state: SelfPlayState,
    images: Sequence[ImageRef],
    settings: Settings,
    logger: RunLogger,
    t: int,
    step: int,
) -> None:
    """G questions per image, m answers a question, gates, one GRPO step on the Questioner."""
    with logger.step("questioner", t, step) as record:
        asked = state.questioner.ask(images, settings.questioner.group_size, f"{t}/questioner/{step}", trained=True)
        questions = [one.question for one in asked if one.question is not None]
        candidates = state.rewarding_labeler.label(questions, settings.questioner.votes, state.reasoner)
        gates = settings.questioner.gates if settings.questioner.reward.uses_gates else ()
        passed, dropped = apply_gates(gates, candidates, state.reasoner)
        rewards = state.questioner.rewards(asked, {c.question.id: c.result for c in candidates}, dropped)
        write_record(logger.run.path, StepId(t, "questioner", step), step_rows(asked, candidates, dropped, rewards))
        groups = state.questioner.groups(asked, rewards)
        record |= state.questioner_trainer.step(groups) | state.questioner.engine.metrics()
        record["valid"] = len(questions) / len(asked)
        record["passed"] = len(passed) / len(asked)
        record["confidence"] = float(np.mean([c.result.confidence for c in candidates])) if candidates else None
        record["distinct_texts"] = len({q.text for q in questions})


def make_silver_set(
    state: SelfPlayState,
    images: Sequence[ImageRef],
    observer: Observer | None,
    settings: Settings,
    logger: RunLogger,
    t: int,
) -> None:
    """N questions per image, silver answers, gates; the kept ones go to the iteration's Parquet file."""
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
        write_record(logger.run.path, StepId(t, "silver", 0), synthesis_rows(synthesis))
        record |= synthesis.statistics()
        if observer is not None:
            kept = {item.question.id for item in synthesis.items}
            record |= observer.on_silver_set(
                synthesis.candidates, kept, state.reasoner, silver.votes, settings.evaluation.paper_comparison
            )


def train_reasoner(state: SelfPlayState, items: Sequence[SilverItem], logger: RunLogger, t: int, step: int) -> None:
    """G answers a silver question, one GRPO step on the Reasoner."""
    with logger.step("reasoner", t, step) as record:
        record |= state.reasoner_trainer.step(state.reasoner.groups(items, f"{t}/reasoner/{step}"))
        record |= state.reasoner.engine.metrics()
        record["confidence"] = float(np.mean([item.confidence for item in items]))


def measure_reasoner(
    suites: Sequence[Suite], state: SelfPlayState, settings: Settings, logger: RunLogger, t: int
) -> None:
    """Greedy and sampled accuracy on every suite; the marks of all items are kept."""
    if not suites:
        return
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


def freeze_reference_answers(state: SelfPlayState, acceptance: Acceptance, logger: RunLogger) -> None:
    """The base's answers to questions about held-out images and to labelled items; it is the first accepted."""
    with logger.step("accept", 0, 0) as record:
        record["anchor"] = len(acceptance.freeze(state.questioner, state.labeler, state.reasoner))
        record |= _labelled(acceptance, 0)
        save_accepted(state, acceptance, logger, 0)


def accept_or_roll_back(
    state: SelfPlayState, acceptance: Acceptance, taught: bool, observer: Observer | None, logger: RunLogger, t: int
) -> None:
    """Keep the iteration, or take both roles back to the last one that was accepted."""
    with logger.step("accept", t, 0) as record:
        verdict = acceptance.judge(state.questioner, state.labeler, state.reasoner, t, taught)
        record |= verdict.metrics() | _labelled(acceptance, t)
        record["selected_iteration"] = acceptance.best
        if observer is not None and acceptance.images:
            record |= observer.on_verdict(*acceptance.answers(verdict.against, t))
        if verdict.accepted:
            save_accepted(state, acceptance, logger, t)
        else:
            state.restore(logger.run.path / "accepted")


def save_accepted(state: SelfPlayState, acceptance: Acceptance, logger: RunLogger, t: int) -> None:
    """Both roles and both optimizers, where a rejected iteration goes back to; both roles again where labels say that
    they are the best so far, and later ones may be accepted that are not."""
    with logger.run.result("accepted") as folder:
        state.save(folder)
    if acceptance.labelled and acceptance.best == t:
        with logger.run.result("best") as folder:
            state.save_roles(folder)


def restore_selected(state: SelfPlayState, acceptance: Acceptance, logger: RunLogger) -> None:
    """Both roles as the best accepted iteration left them, where that is not the last accepted."""
    if acceptance.best != acceptance.last_accepted:
        state.restore_roles(logger.run.path / "best")


def _labelled(acceptance: Acceptance, t: int) -> dict[str, float]:
    return {"validation_accuracy": acceptance.labelled.result(t).accuracy} if acceptance.labelled else {}
