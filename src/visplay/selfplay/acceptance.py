"""Is an iteration kept? Judged without a label, on images that nothing trains on; or by labels of the user's own.

Before the first iteration the base asks about held-out images and answers, spread over augmentations. An answer that
all of its votes agree on is trusted. After each iteration the same questions are answered anew, and the Questioner asks
about the same images anew. An iteration is rejected if it gives up trusted answers, agrees with itself less than the
last accepted one, or asks fewer questions that have an answer, each by more than a tolerance and chance explain. The
run then goes back to the last accepted iteration.

The user's labelled items (`validation_set.py`) are a further test, or the only one: the answers to them are compared
with those of the last accepted iteration in the same way. They also decide which accepted iteration is selected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from visplay.answers import match
from visplay.config import AcceptanceSettings
from visplay.errors import EvaluationError
from visplay.evaluation.statistics import MeanDifference, PairedDifference, mean_difference, paired_difference
from visplay.interfaces.labeler import Labeler, Voter
from visplay.labeling.files import read_silver, synthesis_rows, write_record, write_silver
from visplay.labeling.gates.answered import Answered
from visplay.labeling.synthesis import synthesize
from visplay.roles.questioner import Questioner
from visplay.runs.state import read_json, write_json
from visplay.selfplay.validation_set import ValidationSet
from visplay.selfplay.verdict import Change, Verdict
from visplay.types import ImageRef, Question, SilverItem, StepId


@dataclass(frozen=True, slots=True)
class HeldOutAnswer:
    """What a Reasoner answers to a frozen question, and how much its answers agree."""

    answer: str | None
    confidence: float


HeldOutAnswers = Mapping[str, HeldOutAnswer]
"""By question id."""


def verdict(
    iteration: int,
    frozen_items: Sequence[SilverItem],
    trusted: float,
    against: int,
    before: HeldOutAnswers,
    now: HeldOutAnswers,
    tolerance: float = 0.0,
) -> Verdict:
    """Compare two Reasoners on the frozen questions; the later one is rejected if one of both 95 % intervals lies below
    -`tolerance`, a test of non-inferiority.

    Args:
        trusted: confidence from which the base's answer counts as trusted.
    """
    frozen = {item.question.id: item.answer for item in frozen_items if item.confidence >= trusted}
    kept = _change(paired_difference(_kept(frozen, before), _kept(frozen, now))) if frozen else None
    agreement = _change(mean_difference(_confidence(before), _confidence(now))) if before else None
    worse = any(change is not None and change.is_below(-tolerance) for change in (kept, agreement))
    return Verdict(iteration, not worse, against, kept=kept, agreement=agreement)


def judge_asking(
    found: Verdict, before: Mapping[str, float], now: Mapping[str, float], tolerance: float = 0.0
) -> Verdict:
    """`found`, and of two Questioners the share of each image's questions that have an answer, by image id."""
    asking = _change(mean_difference(before, now)) if before else None
    worse = asking is not None and asking.is_below(-tolerance)
    return replace(found, accepted=found.accepted and not worse, asking=asking)


def judge_validation(found: Verdict, difference: PairedDifference, accuracy: float, tolerance: float = 0.0) -> Verdict:
    """`found`, and the change of the share of right answers to the user's labelled items; `accuracy` is that share."""
    change = _change(difference)
    return replace(
        found,
        accepted=found.accepted and not change.is_below(-tolerance),
        validation=change,
        validation_p_mcnemar=difference.p_mcnemar,
        validation_items=difference.n,
        validation_accuracy=accuracy,
    )


def _change(difference: PairedDifference | MeanDifference) -> Change:
    return Change.of(difference.mean, difference.ci95)


def _confidence(held_out_answers: HeldOutAnswers) -> dict[str, float]:
    return {name: one.confidence for name, one in held_out_answers.items()}


def _kept(frozen: Mapping[str, str], held_out_answers: HeldOutAnswers) -> dict[str, bool]:
    answers = {name: held_out_answers[name].answer for name in frozen}
    return {name: given is not None and match(given, frozen[name]) for name, given in answers.items()}


class Acceptance:
    """Freezes the base's questions and answers, judges iterations, and remembers which was accepted last.

    Args:
        folder: where the frozen questions and each iteration's answers to them are kept.
        images: those held out; without any the labelled items decide alone.
        labelled: items of the user's own, and who answers them.

    Attributes:
        last_accepted: the iteration that the next one is compared with, and begins from; 0 is the base.
        rejected: the iterations that were rolled back, in order.
        best: the accepted iteration that is handed over: the one with the most right answers to the labelled items, of
            equals the latest. Nothing tells so without labels, and as none was worse than the one before, it is the
            last accepted.
    """

    def __init__(
        self,
        folder: Path,
        images: Sequence[ImageRef],
        settings: AcceptanceSettings,
        labelled: ValidationSet | None = None,
    ) -> None:
        self.folder = folder
        self.images = images
        self.settings = settings
        self.labelled = labelled
        self.last_accepted = 0
        self.best = 0
        self.rejected: list[int] = []

    @property
    def judges(self) -> bool:
        """Whether there is anything to judge by."""
        return bool(self.images) or self.labelled is not None

    @property
    def rejected_in_a_row(self) -> int:
        """How many iterations were rejected since the last accepted one."""
        return sum(iteration > self.last_accepted for iteration in self.rejected)

    @property
    def over(self) -> bool:
        """Whether so many iterations were rejected in a row that the run ends."""
        return self.rejected_in_a_row >= self.settings.patience

    def freeze(self, questioner: Questioner, labeler: Labeler, voter: Voter) -> tuple[SilverItem, ...]:
        """The base's questions about the held-out images with its answers, refusals left out; the labelled items are
        answered too."""
        self.folder.mkdir(exist_ok=True)
        if self.labelled:
            self.labelled.ask(0)
        if not self.images:
            return ()
        items = self._ask(questioner, labeler, voter, 0)
        write_silver(self.folder / "anchor.parquet", items, 0)
        self._write(0, {item.question.id: HeldOutAnswer(item.answer, item.confidence) for item in items})
        return items

    def judge(
        self, questioner: Questioner, labeler: Labeler, voter: Voter, iteration: int, taught: bool = True
    ) -> Verdict:
        """Have all that is judged by answered anew, and compare with the last accepted iteration.

        Args:
            taught: the iteration had a silver set. Without one only its Questioner changed, into one that asks
                nothing to learn from, and the iteration is rejected.
        """
        before = self.last_accepted
        unjudged = Verdict(iteration, accepted=True, against=before)
        found = self._judge_images(questioner, labeler, voter, iteration) if self.images else unjudged
        if self.labelled:
            accuracy = self.labelled.ask(iteration).accuracy
            change = self.labelled.difference(before, iteration)
            found = judge_validation(found, change, accuracy, self.settings.tolerance)
        found = found if taught else replace(found, accepted=False)
        if found.accepted:
            self.last_accepted = iteration
            self.best = iteration if self._is_best(iteration) else self.best
        else:
            self.rejected.append(iteration)
        return replace(found, selected_iteration=self.best)

    def _is_best(self, iteration: int) -> bool:
        labelled = self.labelled
        return labelled is None or labelled.result(iteration).correct >= labelled.result(self.best).correct

    def _judge_images(self, questioner: Questioner, labeler: Labeler, voter: Voter, iteration: int) -> Verdict:
        """Have the frozen questions answered again, and ask about its images anew."""
        frozen_items = self.frozen_items()
        answered = labeler.label([item.question for item in frozen_items], self.settings.votes, voter)
        now = {c.question.id: HeldOutAnswer(c.result.answer, c.result.confidence) for c in answered}
        self._write(iteration, now)
        before, tolerance = self.last_accepted, self.settings.tolerance
        answers_before, trusted = self.held_out_answers(before), self.settings.trusted
        found = verdict(iteration, frozen_items, trusted, before, answers_before, now, tolerance)
        self._ask(questioner, labeler, voter, iteration)
        return judge_asking(found, self._asked(before), self._asked(iteration), tolerance)

    def _ask(self, questioner: Questioner, labeler: Labeler, voter: Voter, iteration: int) -> tuple[SilverItem, ...]:
        """Questions about the held-out images that have an answer; each image's share of them is written down."""
        settings = self.settings
        gates = [Answered()]
        wanted, votes = settings.questions_per_image, settings.votes
        found = synthesize(questioner, labeler, gates, voter, self.images, wanted, votes, "acceptance")
        write_record(self.folder, StepId(iteration, "accept", 0), synthesis_rows(found))
        with_answer = Counter(item.question.image.id for item in found.items)
        shares = {image.id: with_answer[image.id] / wanted for image in self.images}
        write_json(self.folder / f"asking-{iteration}.json", shares)
        return found.items

    def _asked(self, iteration: int) -> dict[str, float]:
        shares: dict[str, float] = read_json(self.folder / f"asking-{iteration}.json")
        return shares

    def frozen_items(self) -> tuple[SilverItem, ...]:
        """What `freeze` found."""
        return read_silver(self.folder / "anchor.parquet", {image.id: image for image in self.images})

    def held_out_answers(self, iteration: int) -> dict[str, HeldOutAnswer]:
        """Those of an iteration; 0 is the base."""
        values = read_json(self.folder / f"iteration-{iteration}.json")
        return {name: HeldOutAnswer(**answer_now) for name, answer_now in values.items()}

    def answers(self, before: int, now: int) -> tuple[list[Question], dict[str, str | None], dict[str, str | None]]:
        """The frozen questions and what two iterations answer to them, by question id."""
        first, second = self.held_out_answers(before), self.held_out_answers(now)
        questions = [item.question for item in self.frozen_items()]
        return questions, {q: o.answer for q, o in first.items()}, {q: o.answer for q, o in second.items()}

    def _write(self, iteration: int, held_out_answers: HeldOutAnswers) -> None:
        values = {name: asdict(answer_now) for name, answer_now in held_out_answers.items()}
        write_json(self.folder / f"iteration-{iteration}.json", values)

    def state(self) -> dict[str, Any]:
        """JSON values that `restore` takes."""
        return {
            "last_accepted": self.last_accepted,
            "rejected": list(self.rejected),
            "best": self.best,
            "labelled": self.labelled.fingerprint if self.labelled else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state` gave.

        Raises:
            EvaluationError: it was judged by other labelled items.
        """
        if state.get("labelled") != (self.labelled.fingerprint if self.labelled else None):
            raise EvaluationError("the validation set is not what the run began with; put it back, or begin a new run")
        self.last_accepted = state["last_accepted"]
        self.rejected = list(state["rejected"])
        self.best = state["best"]
