"""Label accuracy under each labeler and gate, on the same questions: `visplay lab labels`.

The study trains nothing and takes minutes. It shows what a labeler or a gate does to the labels, but not what training
on these labels achieves.
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
from visplay.labeling.synthesis import apply_gates
from visplay.roles.open import open_reasoner, open_roles
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.types import Candidate, Question


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Counts of questions under one combination of labeler and gates.

    Attributes:
        recipe: name of the combination.
        asked: questions that the labeler got.
        kept: questions with a silver answer that passed the gates.
        true: kept questions whose silver answer is the true answer.
        answerable: kept questions that have a true answer.
    """

    recipe: str
    asked: int
    kept: int
    true: int
    answerable: int

    @property
    def ci95(self) -> Interval | None:
        """95 % Wilson interval of the label accuracy; None if no question is kept."""
        return wilson_interval(self.true, self.kept) if self.kept else None


def label_study(
    reasoner: Reasoner, questions: Sequence[Question], truth: Truth, settings: SilverSettings
) -> Iterator[LabelRow]:
    """A row for each combination.

    First each labeler without gates. Then, with the labeler of the settings: each gate alone; all gates of the
    settings; these without each of them, and with each other gate added. Last each labeler with all gates of the
    settings.
    """
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
    """Every component of a seam by name: the chosen ones, and the others with their default settings."""
    defaults = {name: component() for name, component in components(seam).items()}
    return defaults | {component.name: component for component in chosen}


def study_lines(rows: Iterator[LabelRow]) -> Iterator[str]:
    """One line of text per row: label accuracy with its interval, answerable share, kept of asked."""
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
    """The label study on `count` images; the lab's model is the Questioner and `model` the Reasoner.

    Args:
        model: a run, "lab", a model folder or a hub id.
        settings: their image source must have known scenes.
    Raises:
        ConfigError: the scenes of these images are not known.
        RunError, ModelError: as `open_roles`.
    """
    truth_of = getattr(settings.images, "truth", None)
    if truth_of is None:
        raise ConfigError(f"the true answers for '{settings.images}' are not known; use drawings such as lab/single")
    all_images = settings.images.open(settings.seed).images
    images, total = Sampler(all_images, settings.seed), len(all_images)
    policy, prompts, _ = open_reasoner(model)
    reasoner = Reasoner(settings.engine.vote_engine(policy, settings), prompts, settings.reasoner, settings.seed)
    policies, prompts = open_roles("lab", ("questioner",), settings)
    engine = settings.engine.vote_engine(policies["questioner"], settings)
    questioner = Questioner(engine, prompts, settings.questioner, settings.seed)
    asked = questioner.ask(images.take(min(count, total)), settings.silver.questions_per_image, "labels")
    questions = {(entry.question.image.id, entry.question.text): entry.question for entry in asked if entry.question}
    return label_study(reasoner, list(questions.values()), truth_of(settings.seed), settings.silver)
