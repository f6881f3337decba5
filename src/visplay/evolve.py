"""The loop of VisPlay (arXiv 2511.15661, section 3): ask, vote, learn, measure, again.

For t = 1..T:
1. Questioner phase: the Reasoner is frozen; hard, varied, valid questions are rewarded.
2. Synthesis: questions over the pictures, silver answers (the paper: by majority), gates (the paper: the band).
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

from visplay.acceptance import Acceptance
from visplay.anchor import Anchor, apart
from visplay.config import Settings
from visplay.images import Sampler
from visplay.journal import Journal
from visplay.lab.truth import Truth
from visplay.phases import (
    accept_or_go_back,
    freeze_anchor,
    hand_over_best,
    make_silver_set,
    measure_reasoner,
    train_questioner,
    train_reasoner,
)
from visplay.players import Players
from visplay.records import Picture, SilverItem, Suite
from visplay.roles.memory import Memory
from visplay.runs.ledger import Ledger
from visplay.silver import questions_before, read_silver, silver_file
from visplay.silver.gates import make_gates


@dataclass(frozen=True, slots=True)
class World:
    """What a run looks at: unlabeled pictures; and, for measurement alone, suites and the oracle; and, to accept or
    reject what was learned, the user's labelled items."""

    pictures: tuple[Picture, ...]
    suites: tuple[Suite, ...]
    truth: Truth | None
    anchor: Suite | None = None


def evolve(world: World, players: Players, settings: Settings, journal: Journal) -> None:
    """Run all iterations, or those that are left; everything measured goes to the journal's run."""
    pictures = apart(world.pictures, world.anchor)
    held_out, pictures = hold_out(pictures, settings.acceptance.pictures, settings.seed)
    folder = journal.run.path / "acceptance"
    labelled = Anchor(folder, world.anchor, players.reasoner) if world.anchor and settings.acceptance.anchor else None
    acceptance = Acceptance(folder, held_out, settings.acceptance, labelled)
    sampler = Sampler(pictures, settings.seed)
    ledger = open_ledger(players, sampler, acceptance, journal, settings)
    by_id = {picture.id: picture for picture in pictures}

    def steps(t: int, phase: str, count: int) -> Iterator[int]:
        players.begin_phase()
        return ledger.steps(t, phase, count)

    for _ in steps(0, "measure", 1 if settings.evaluation.before else 0):
        measure_reasoner(world.suites, players, settings, journal, 0)
    for _ in steps(0, "accept", 1 if acceptance.judges else 0):
        freeze_anchor(players, acceptance, journal)

    for t in range(1, settings.iterations + 1):
        if acceptance.over:
            break
        known = list(questions_before(journal.run.path, t, by_id))
        gates = make_gates(settings.questioner.gates, settings.silver, players.reasoner, known)
        for step in steps(t, "questioner", settings.questioner.steps):
            taken = sampler.take(min(settings.questioner.images_per_step, len(pictures)))
            train_questioner(players, taken, gates, settings, journal, t, step)

        gates = make_gates(settings.silver.gates, settings.silver, players.reasoner, known)
        for _ in steps(t, "silver", 1):
            taken = sampler.take(min(settings.silver.images or len(pictures), len(pictures)))
            make_silver_set(players, taken, gates, world.truth, settings, journal, t)
        silver = read_silver(silver_file(journal.run.path, t), by_id)

        for step in steps(t, "reasoner", settings.reasoner.steps if silver else 0):
            items = portion(silver, settings.reasoner.questions_per_step, step, [settings.seed, t])
            train_reasoner(players, items, journal, t, step)

        for _ in steps(t, "measure", 1):
            measure_reasoner(world.suites, players, settings, journal, t)
        for _ in steps(t, "accept", 1 if acceptance.judges else 0):
            accept_or_go_back(players, acceptance, bool(silver), world.truth, journal, t)
    hand_over_best(players, acceptance, journal)
    journal.finish(ledger.seconds)


def portion(items: Sequence[SilverItem], size: int, step: int, seed: Sequence[int]) -> list[SilverItem]:
    """The silver items of a step: shuffled laps over the set, cut so that no step holds one twice."""
    size = min(size, len(items))
    lap, part = divmod(step, len(items) // size)
    order = np.random.default_rng([*seed, lap]).permutation(len(items))
    return [items[i] for i in order[part * size : (part + 1) * size]]


def hold_out(pictures: Sequence[Picture], count: int, seed: int) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """`count` pictures to judge by, but a fifth of all at the most, drawn from `seed`; and the others."""
    count = min(count, len(pictures) // 5)
    drawn = set(np.random.default_rng([seed, 4]).permutation(len(pictures))[:count].tolist())
    held = tuple(picture for place, picture in enumerate(pictures) if place in drawn)
    return held, tuple(picture for place, picture in enumerate(pictures) if place not in drawn)


def open_ledger(
    players: Players, sampler: Sampler, acceptance: Acceptance, journal: Journal, settings: Settings
) -> Ledger:
    """The run's finished steps; everything that remembers is set to where the last one left it."""
    remembering: dict[str, Sampler | Memory | Acceptance] = {
        "sampler": sampler,
        "memory": players.questioner.memory,
        "acceptance": acceptance,
    }

    def restore(folder: Path, state: dict[str, Any]) -> None:
        players.restore(folder)
        for name, one in remembering.items():
            one.restore(state[name])

    def state() -> dict[str, Any]:
        return {name: one.state() for name, one in remembering.items()}

    return Ledger(journal.run, players.keep, restore, state, settings.checkpoint_every)
