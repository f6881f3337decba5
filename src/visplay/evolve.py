"""The loop of VisPlay (arXiv 2511.15661, section 3): ask, vote, learn, measure, again.

For t = 1..T:
1. Questioner phase: the Reasoner is frozen; hard, varied, valid questions are rewarded.
2. Synthesis: questions over the pictures, silver answers by majority, the band.
3. Reasoner phase: agreement with the silver answer is rewarded.
4. Measurement on labelled suites that training never sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visplay.config import Settings
from visplay.evaluation.runner import measure
from visplay.evaluation.silver_truth import silver_truth
from visplay.images import Sampler
from visplay.journal import Journal
from visplay.lab.truth import Truth
from visplay.players import Players
from visplay.records import Picture, SilverItem, Suite
from visplay.roles.reasoner import tally
from visplay.runs.ledger import Ledger
from visplay.silver import read_silver, silver_file, synthesize, write_silver


@dataclass(frozen=True, slots=True)
class World:
    """What a run looks at: unlabeled pictures; and, for measurement alone, suites and the oracle."""

    pictures: tuple[Picture, ...]
    suites: tuple[Suite, ...]
    truth: Truth | None


def evolve(world: World, players: Players, settings: Settings, journal: Journal) -> None:
    """Run all iterations, or those that are left; everything measured goes to the journal's run."""
    sampler = Sampler(world.pictures, settings.seed)
    ledger = open_ledger(players, sampler, journal, settings)
    folder = journal.run.path
    for _ in ledger.steps(0, "measure", 1 if settings.evaluation.before else 0):
        measure_reasoner(world, players, settings, journal, 0)

    for t in range(1, settings.iterations + 1):
        for step in ledger.steps(t, "questioner", settings.questioner.steps):
            pictures = sampler.take(min(settings.questioner.images_per_step, len(world.pictures)))
            train_questioner(players, pictures, settings, journal, t, step)

        for _ in ledger.steps(t, "silver", 1):
            pictures = sampler.take(min(settings.silver.images or len(world.pictures), len(world.pictures)))
            make_silver_set(players, pictures, world.truth, settings, journal, t)
        silver = read_silver(silver_file(folder, t), {picture.id: picture for picture in world.pictures})

        for step in ledger.steps(t, "reasoner", settings.reasoner.steps if silver else 0):
            items = portion(silver, settings.reasoner.questions_per_step, step, [settings.seed, t])
            train_reasoner(players, items, journal, t, step)

        for _ in ledger.steps(t, "measure", 1):
            measure_reasoner(world, players, settings, journal, t)
    journal.finish(ledger.seconds)


def train_questioner(
    players: Players, pictures: Sequence[Picture], settings: Settings, journal: Journal, t: int, step: int
) -> None:
    """G questions a picture, m votes a question, one GRPO step on the Questioner."""
    with journal.step("questioner", t, step) as record:
        asked = players.questioner.ask(pictures, settings.questioner.group_size, f"{t}/questioner/{step}")
        questions = [one.question for one in asked if one.question is not None]
        votes = players.reasoner.votes(questions, settings.questioner.votes)
        tallies = {q.id: tally(q, votes[q.id]) for q in questions}
        groups = players.questioner.groups(asked, tallies)
        record |= players.questioner_trainer.step(groups)
        record["valid"] = len(questions) / len(asked)
        record["confidence"] = float(np.mean([v.confidence for v in tallies.values()])) if tallies else None
        record["distinct_texts"] = len({q.text for q in questions})


def make_silver_set(
    players: Players, pictures: Sequence[Picture], truth: Truth | None, settings: Settings, journal: Journal, t: int
) -> None:
    """N questions a picture, majority votes, band; the kept ones go to the iteration's Parquet file."""
    with journal.step("silver", t, 0) as record:
        synthesis = synthesize(players.questioner, players.reasoner, pictures, settings.silver, f"{t}/silver")
        write_silver(silver_file(journal.run.path, t), synthesis.items, t)
        record |= synthesis.statistics()
        if truth is not None:
            kept = {item.question.id for item in synthesis.items}
            record |= silver_truth(truth, [(c.question, c.tally) for c in synthesis.candidates], kept)


def train_reasoner(players: Players, items: Sequence[SilverItem], journal: Journal, t: int, step: int) -> None:
    """G answers a silver question, one GRPO step on the Reasoner."""
    with journal.step("reasoner", t, step) as record:
        record |= players.reasoner_trainer.step(players.reasoner.groups(items, f"{t}/reasoner/{step}"))
        record["confidence"] = float(np.mean([item.confidence for item in items]))


def portion(items: Sequence[SilverItem], size: int, step: int, seed: Sequence[int]) -> list[SilverItem]:
    """The silver items of a step: shuffled laps over the set, cut so that no step holds one twice."""
    size = min(size, len(items))
    lap, part = divmod(step, len(items) // size)
    order = np.random.default_rng([*seed, lap]).permutation(len(items))
    return [items[i] for i in order[part * size : (part + 1) * size]]


def measure_reasoner(world: World, players: Players, settings: Settings, journal: Journal, t: int) -> None:
    """Greedy and sampled accuracy on every suite; the marks of all items are kept."""
    if not world.suites:
        return
    with journal.step("measure", t, 0) as record:
        measurement = measure(
            players.reasoner.engine,
            world.suites,
            players.prompts.answer,
            settings.reasoner.sampling.max_tokens,
            settings.evaluation.sampled,
        )
        journal.keep_measurement(t, measurement)
        record |= {f"greedy/{name}": result.accuracy for name, result in measurement.greedy.items()}
        record |= {f"sampled/{name}": result.accuracy for name, result in measurement.sampled.items()}


def open_ledger(players: Players, sampler: Sampler, journal: Journal, settings: Settings) -> Ledger:
    """The run's finished steps; players and sampler are set to where the last one left them."""

    def restore(folder: Path, state: dict[str, Any]) -> None:
        players.restore(folder)
        sampler.restore(state["sampler"])

    return Ledger(journal.run, players.keep, restore, lambda: {"sampler": sampler.state()}, settings.checkpoint_every)
