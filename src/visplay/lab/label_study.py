"""How true silver answers are under each labeler and gate, on the same questions: `visplay lab labels`.

Minutes instead of a run: nothing is trained, so it says what a labeler or a gate does to the labels,
and not yet what learning from them is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from visplay.answers import match
from visplay.config import Settings, SilverSettings
from visplay.data.sampler import Sampler
from visplay.errors import ConfigError
from visplay.evaluation.statistics import Interval, wilson_interval
from visplay.interfaces.component import Component, components
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Labeler
from visplay.lab.truth import Truth
from visplay.labeling.apply_gates import apply_gates
from visplay.roles.open import open_reasoner, open_roles
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.types import Candidate, Question


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What is left of the questions under a recipe, and how much of it is true.

    Attributes:
        asked: questions put to the labeler.
        kept: those with a silver answer that passed the gates.
        true: of these, how many have the true answer; a question that cannot be answered has none.
        answerable: of these, how many have a true answer at all.
    """

    recipe: str
    asked: int
    kept: int
    true: int
    answerable: int

    @property
    def ci95(self) -> Interval | None:
        """Wilson interval of the label accuracy; None when nothing is kept."""
        return wilson_interval(self.true, self.kept) if self.kept else None


def label_study(
    reasoner: Reasoner, questions: Sequence[Question], truth: Truth, settings: SilverSettings
) -> Iterator[LabelRow]:
    """Each labeler without gates; then, with the labeler of the settings, each gate alone, the gates of the
    settings together, and these with each one left out or added."""
    answers = {question.id: truth.answer(question) for question in questions}
    labelers = _all("labeler", (settings.labeler,))
    gates = _all("gate", settings.gates)
    labelled = {
        name: cast(Labeler, labeler).label(questions, settings.votes, reasoner) for name, labeler in labelers.items()
    }

    def row(recipe: str, labeler: str, chosen: Sequence[str]) -> LabelRow:
        passed, _ = apply_gates([cast(Gate, gates[name]) for name in chosen], labelled[labeler], reasoner)
        return _row(recipe, labelled[labeler], passed, answers)

    ours, own_gates = settings.labeler.name, [gate.name for gate in settings.gates]
    for name in labelers:
        yield row(f"labeler {name}", name, ())
    for name in gates:
        yield row(f"gate {name} alone", ours, [name])
    yield row("gates " + ", ".join(own_gates), ours, own_gates)
    for name in gates:
        if name in own_gates:
            yield row(f"  without {name}", ours, [gate for gate in own_gates if gate != name])
        else:
            yield row(f"  and {name}", ours, [*own_gates, name])
    for name in labelers:
        yield row(f"  with labeler {name}", name, own_gates)


def _all(seam: str, chosen: Sequence[Component]) -> dict[str, Component]:
    """Every component of a seam by name: as the settings have it, else with its default settings."""
    return {name: made() for name, made in components(seam).items()} | {one.name: one for one in chosen}


def study_lines(rows: Iterator[LabelRow]) -> Iterator[str]:
    """A line a recipe: label accuracy with its interval, answerable, kept of asked."""
    yield f"{'recipe':40} {'true':>6} {'95 %':>16} {'answerable':>11} {'kept':>6} of asked"
    for row in rows:
        if row.ci95 is None:
            yield f"{row.recipe:40} {'-':>6} {'-':>16} {'-':>11} {0:>6} of {row.asked}"
            continue
        interval = f"[{row.ci95.low:.3f}, {row.ci95.high:.3f}]"
        shares = f"{row.true / row.kept:>6.3f} {interval:>16} {row.answerable / row.kept:>11.3f}"
        yield f"{row.recipe:40} {shares} {row.kept:>6} of {row.asked}"


def _row(
    recipe: str, asked: Sequence[Candidate], kept: Sequence[Candidate], answers: Mapping[str, str | None]
) -> LabelRow:
    true = [_is_true(candidate, answers[candidate.question.id]) for candidate in kept]
    answerable = [answers[candidate.question.id] is not None for candidate in kept]
    return LabelRow(recipe, len(asked), len(kept), sum(true), sum(answerable))


def _is_true(candidate: Candidate, answer: str | None) -> bool:
    return answer is not None and candidate.result.answer is not None and match(candidate.result.answer, answer)


def study_labels(model: str, count: int, settings: Settings) -> Iterator[LabelRow]:
    """The label study on `count` images: the lab's base model asks, `model` answers.

    Args:
        model: the Reasoner: a run, "lab", a model folder or a hub id.
        settings: with an image source whose truth is known.
    Raises:
        ConfigError: the truth about these images is not known.
        RunError, ModelError: as `open_roles`.
    """
    truth_of = getattr(settings.images, "truth", None)
    if truth_of is None:
        raise ConfigError(f"the truth about '{settings.images}' is not known; use drawings such as lab/single")
    all_images = settings.images.open(settings.seed).images
    images, total = Sampler(all_images, settings.seed), len(all_images)
    policy, prompts, _ = open_reasoner(model)
    reasoner = Reasoner(settings.engine.vote_engine(policy, settings), prompts, settings.reasoner, settings.seed)
    policies, prompts = open_roles("lab", ("questioner",), settings)
    engine = settings.engine.vote_engine(policies["questioner"], settings)
    questioner = Questioner(engine, prompts, settings.questioner, settings.seed)
    asked = questioner.ask(images.take(min(count, total)), settings.silver.questions_per_image, "labels")
    questions = {(one.question.image.id, one.question.text): one.question for one in asked if one.question}
    return label_study(reasoner, list(questions.values()), truth_of(settings.seed), settings.silver)
