"""The phases of an iteration, one function each: what is asked of both roles, and what is written down.

Each is one finished step of `evolve.py`'s loop, and begins and ends with its line of metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visplay.acceptance import Acceptance
from visplay.config import Settings
from visplay.evaluation.runner import measure
from visplay.evaluation.silver_truth import beside_paper, knowing_judge, silver_truth
from visplay.journal import Journal
from visplay.lab.truth import Truth
from visplay.players import Players
from visplay.records import Picture, SilverItem, Suite
from visplay.silver import silver_file, synthesize, write_silver
from visplay.silver.gates import Gates, sift


def train_questioner(
    players: Players,
    pictures: Sequence[Picture],
    gates: Gates,
    settings: Settings,
    journal: Journal,
    t: int,
    step: int,
) -> None:
    """G questions a picture, m answers a question, gates, one GRPO step on the Questioner."""
    with journal.step("questioner", t, step) as record:
        asked = players.questioner.ask(pictures, settings.questioner.group_size, f"{t}/questioner/{step}")
        questions = [one.question for one in asked if one.question is not None]
        candidates = players.rewarding_labeler.label(questions, settings.questioner.votes)
        passed, dropped = sift(gates if settings.questioner.reward == "honest" else {}, candidates)
        groups = players.questioner.groups(asked, {c.question.id: c.tally for c in candidates}, dropped)
        record |= players.questioner_trainer.step(groups) | players.questioner.engine.figures()
        record["valid"] = len(questions) / len(asked)
        record["passed"] = len(passed) / len(asked)
        record["confidence"] = float(np.mean([c.tally.confidence for c in candidates])) if candidates else None
        record["distinct_texts"] = len({q.text for q in questions})


def make_silver_set(
    players: Players,
    pictures: Sequence[Picture],
    gates: Gates,
    truth: Truth | None,
    settings: Settings,
    journal: Journal,
    t: int,
) -> None:
    """N questions a picture, silver answers, gates; the kept ones go to the iteration's Parquet file."""
    with journal.step("silver", t, 0) as record:
        silver = settings.silver
        synthesis = synthesize(
            players.questioner,
            players.labeler,
            gates,
            pictures,
            silver.questions_per_image,
            silver.votes,
            f"{t}/silver",
        )
        write_silver(silver_file(journal.run.path, t), synthesis.items, t)
        record |= synthesis.statistics()
        if truth is not None:
            kept = {item.question.id for item in synthesis.items}
            record |= silver_truth(truth, [(c.question, c.tally) for c in synthesis.candidates], kept)
            questions = [c.question for c in synthesis.candidates[: settings.evaluation.beside_paper]]
            record |= beside_paper(truth, players.reasoner, questions, silver.votes)


def train_reasoner(players: Players, items: Sequence[SilverItem], journal: Journal, t: int, step: int) -> None:
    """G answers a silver question, one GRPO step on the Reasoner."""
    with journal.step("reasoner", t, step) as record:
        record |= players.reasoner_trainer.step(players.reasoner.groups(items, f"{t}/reasoner/{step}"))
        record |= players.reasoner.engine.figures()
        record["confidence"] = float(np.mean([item.confidence for item in items]))


def measure_reasoner(suites: Sequence[Suite], players: Players, settings: Settings, journal: Journal, t: int) -> None:
    """Greedy and sampled accuracy on every suite; the marks of all items are kept."""
    if not suites:
        return
    with journal.step("measure", t, 0) as record:
        measurement = measure(
            players.reasoner.voter,
            suites,
            players.prompts.answer,
            settings.reasoner.sampling.max_tokens,
            settings.evaluation.sampled,
            k=settings.evaluation.pass_k,
            k_items=settings.evaluation.pass_items,
            blind=settings.evaluation.blind,
        )
        journal.keep_measurement(t, measurement)
        for decoding, results in measurement.by_decoding().items():
            record |= {f"{decoding}/{name}": result.accuracy for name, result in results.items()}


def freeze_anchor(players: Players, acceptance: Acceptance, journal: Journal) -> None:
    """The base's answers to questions about held-out pictures and to labelled items; it is the first accepted."""
    with journal.step("accept", 0, 0) as record:
        record["anchor"] = len(acceptance.freeze(players.questioner, players.labeler))
        record |= _labelled(acceptance, 0)
        keep_accepted(players, acceptance, journal, 0)


def accept_or_go_back(
    players: Players, acceptance: Acceptance, taught: bool, truth: Truth | None, journal: Journal, t: int
) -> None:
    """Keep the iteration, or take both roles back to the last one that was accepted."""
    with journal.step("accept", t, 0) as record:
        verdict = acceptance.judge(players.questioner, players.labeler, t, taught)
        record |= verdict.figures() | _labelled(acceptance, t)
        record["handed_over"] = acceptance.best
        if truth is not None and acceptance.pictures:
            record |= knowing_judge(truth, *acceptance.answers(verdict.against, t))
        if verdict.accepted:
            keep_accepted(players, acceptance, journal, t)
        else:
            players.restore(journal.run.path / "accepted")


def keep_accepted(players: Players, acceptance: Acceptance, journal: Journal, t: int) -> None:
    """Both roles and both optimizers, where a rejected iteration goes back to; both roles again where labels say that
    they are the best so far, and later ones may be accepted that are not."""
    with journal.run.result("accepted") as folder:
        players.keep(folder)
    if acceptance.labelled and acceptance.best == t:
        with journal.run.result("best") as folder:
            players.keep_roles(folder)


def hand_over_best(players: Players, acceptance: Acceptance, journal: Journal) -> None:
    """Both roles as the best accepted iteration left them, where that is not the last accepted."""
    if acceptance.best != acceptance.last_accepted:
        players.restore_roles(journal.run.path / "best")


def _labelled(acceptance: Acceptance, t: int) -> dict[str, float]:
    return {"anchor_accuracy": acceptance.labelled.result(t).accuracy} if acceptance.labelled else {}
