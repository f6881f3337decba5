"""How true silver answers are under each labeler and gate, on the same questions: `visplay lab labels`.

Minutes instead of a run: nothing is trained, so it says what a labeler or a gate does to the labels,
and not yet what learning from them is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from visplay.answers import match
from visplay.config import Gate, LabelerName, SilverSettings
from visplay.evaluation.statistics import Interval, wilson_interval
from visplay.lab.truth import Truth
from visplay.labeling.candidate import Candidate
from visplay.labeling.gates import apply_gates, make_gates
from visplay.labeling.labelers import make_labeler
from visplay.roles.reasoner import Reasoner
from visplay.types import Question

LABELERS: tuple[str, ...] = get_args(LabelerName)
GATES: tuple[str, ...] = get_args(Gate)


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
    labelled: dict[str, list[Candidate]] = {}
    for name in LABELERS:
        labelled[name] = make_labeler(settings, reasoner, name).label(questions, settings.votes)
        yield _row(f"labeler {name}", labelled[name], (), settings, reasoner, answers)
    ours = labelled[settings.labeler]
    for gate in GATES:
        yield _row(f"gate {gate} alone", ours, (gate,), settings, reasoner, answers)
    yield _row("gates " + ", ".join(settings.gates), ours, settings.gates, settings, reasoner, answers)
    for gate in GATES:
        if gate in settings.gates:
            rest = tuple(name for name in settings.gates if name != gate)
            yield _row(f"  without {gate}", ours, rest, settings, reasoner, answers)
        else:
            yield _row(f"  and {gate}", ours, (*settings.gates, gate), settings, reasoner, answers)
    for name in LABELERS:
        yield _row(f"  with labeler {name}", labelled[name], settings.gates, settings, reasoner, answers)


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
    recipe: str,
    candidates: Sequence[Candidate],
    gates: Sequence[str],
    settings: SilverSettings,
    reasoner: Reasoner,
    answers: Mapping[str, str | None],
) -> LabelRow:
    passed, _ = apply_gates(make_gates(gates, settings, reasoner), candidates)
    true = [_is_true(candidate, answers[candidate.question.id]) for candidate in passed]
    answerable = [answers[candidate.question.id] is not None for candidate in passed]
    return LabelRow(recipe, len(candidates), len(passed), sum(true), sum(answerable))


def _is_true(candidate: Candidate, answer: str | None) -> bool:
    return answer is not None and candidate.result.answer is not None and match(candidate.result.answer, answer)
