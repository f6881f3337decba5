"""Decides whether an iteration is kept: without labels, on images that nothing trains on; or by the user's labels.

Before the first iteration the base asks about held-out images and answers, spread over augmentations. An answer that
all of its votes agree on is trusted. After each iteration the same questions are answered anew, and the Questioner asks
about the same images anew. An iteration is rejected if it gives up trusted answers, agrees with itself less than the
last accepted one, or asks fewer questions that have an answer, each by more than a tolerance and chance explain. The
run then goes back to the last accepted iteration (`phases.accept_or_roll_back`).

The user's labelled items (`ValidationSet`) are a further test, or the only one: the answers to them are compared
with those of the last accepted iteration in the same way. They also decide which accepted iteration is selected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from visplay.answers import match
from visplay.config import AcceptanceSettings
from visplay.data.random_streams import random_stream
from visplay.errors import EvaluationError, ImageError, RunError
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.evaluation.runner import measure
from visplay.evaluation.statistics import MeanDifference, PairedDifference, mean_difference, paired_difference
from visplay.evaluation.suites.file import read_labelled
from visplay.images.decode import Content
from visplay.interfaces.labeler import Labeler, Voter
from visplay.labeling.files import read_silver, synthesis_rows, write_record, write_silver
from visplay.labeling.gates.answered import Answered
from visplay.labeling.synthesis import synthesize
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.runs.files import make_folder, read_json, write_json
from visplay.selfplay.verdict import Change, Verdict
from visplay.types import AnswersAre, ImageRef, Question, SilverItem, StepId, Suite

T = TypeVar("T")


class HeldOutAnswer(NamedTuple):
    """What a Reasoner answers to a frozen question, and how much its answers agree."""

    answer: str | None
    confidence: float


HeldOutAnswers = Mapping[str, HeldOutAnswer]  # by question id


def decide(iteration: int, against: int, found: Mapping[str, Any], tolerance: float, taught: bool = True) -> Verdict:
    """Reject an iteration if the 95 % interval of a change lies below -`tolerance`, a test of non-inferiority.

    Args:
        found: fields of a `Verdict`, of which every `Change` is tested.
        taught: the iteration had a silver set. Without one only the Questioner changed, and it asks no question that is
            useful for training. The iteration is then rejected.
    """
    worse = any(isinstance(value, Change) and value.is_below(-tolerance) for value in found.values())
    return Verdict(iteration, taught and not worse, against, **found)


def answer_changes(
    frozen_items: Sequence[SilverItem], trusted: float, before: HeldOutAnswers, now: HeldOutAnswers
) -> dict[str, Change]:
    """Two Reasoners on the frozen questions: `kept`, of the base's answers of confidence `trusted`; `agreement`."""
    frozen = {item.question.id: item.answer for item in frozen_items if item.confidence >= trusted}
    changes = {}
    if frozen:
        images = {item.question.id: item.question.image.id for item in frozen_items}
        changes["kept"] = _change(paired_difference(_kept(frozen, before), _kept(frozen, now), images))
    if before:
        confidences = ({name: answer.confidence for name, answer in answers.items()} for answers in (before, now))
        changes["agreement"] = _change(mean_difference(*confidences))
    return changes


def _change(difference: PairedDifference | MeanDifference) -> Change:
    return Change.of(difference.mean, difference.ci95)


def _common(before: Mapping[str, T], now: Mapping[str, T]) -> tuple[dict[str, T], dict[str, T]]:
    """Both without what only one has: an image that vanished, or that came back."""
    both = before.keys() & now.keys()
    return {name: before[name] for name in before if name in both}, {name: now[name] for name in now if name in both}


def _kept(frozen: Mapping[str, str], answers: HeldOutAnswers) -> dict[str, bool]:
    given = {name: answers[name].answer for name in frozen}
    return {name: answer is not None and match(answer, frozen[name]) for name, answer in given.items()}


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Labelled items, and in `folder` the answers of each iteration's Reasoner."""

    folder: Path
    suite: Suite
    reasoner: Reasoner

    def ask(self, iteration: int) -> SuiteResult:
        """Answer all items greedily with the prompt of every evaluation; iteration 0 is the base."""
        reasoner, most = self.reasoner, self.reasoner.settings.sampling.max_tokens
        found = measure(reasoner.voter, (self.suite,), reasoner.prompts.answer, most, sampled=False)
        make_folder(self.folder)
        found.save(self._file(iteration))
        return found.greedy[self.suite.name]

    def judge(self, iteration: int, before: int) -> dict[str, Any]:
        """The fields of a `Verdict` about the labelled items, compared with an earlier iteration item by item."""
        now = self.ask(iteration)
        difference = now.difference_to(self.result(before))
        return {
            "validation": _change(difference),
            "validation_p_mcnemar": difference.p_mcnemar,
            "validation_items": difference.n,
            "validation_accuracy": now.accuracy,
        }

    def result(self, iteration: int) -> SuiteResult:
        """The results of `ask` for an iteration."""
        return Measurement.load(self._file(iteration)).greedy[self.suite.name]

    @property
    def fingerprint(self) -> str:
        """Number and hash of the items with their labels and images; the run's state contains it."""
        items = [
            (item.id, item.question, item.reference, item.choices, [_content(part).hash for part in item.image.parts])
            for item in self.suite.items
        ]
        return f"{len(items)} items, {blake2b(repr(items).encode(), digest_size=8).hexdigest()}"

    def _file(self, iteration: int) -> Path:
        return self.folder / f"labelled-{iteration}.jsonl"


@dataclass
class Acceptance:
    """Freezes the base's questions and answers, judges iterations, and keeps the last accepted iteration.

    Attributes:
        folder: the frozen questions and each iteration's answers.
        images: the held-out images; without any, the labelled items decide alone.
        labelled: the user's labelled items with their answers, if there are any.
        last_accepted: the iteration that the next one is compared with, and begins from; 0 is the base.
        rejected: the iterations that were rolled back, in order.
        best: the selected iteration: the accepted one with the most right answers to the labelled items; among equals,
            the latest. Without labels it is the last accepted iteration.
        left: the ids of those images that are still what they were; the others are left out of a comparison.
    """

    folder: Path
    images: Sequence[ImageRef]
    settings: AcceptanceSettings
    labelled: ValidationSet | None = None
    last_accepted: int = 0
    best: int = 0
    rejected: list[int] = field(default_factory=list)
    left: Callable[[Iterable[ImageRef]], Collection[str]] = lambda images: {image.id for image in images}

    @property
    def over(self) -> bool:
        """Whether so many iterations were rejected in a row that the run ends."""
        return sum(iteration > self.last_accepted for iteration in self.rejected) >= self.settings.patience

    def freeze(self, questioner: Questioner, labeler: Labeler, voter: Voter) -> tuple[SilverItem, ...]:
        """Freeze the base's questions about held-out images with its answers; answer the labelled items."""
        make_folder(self.folder)
        if self.labelled:
            self.labelled.ask(0)
        if not self.images:
            return ()
        items = self._ask(questioner, labeler, voter, 0)
        write_silver(self.folder / "anchor.parquet", items, 0)
        self._write_answers(0, {item.question.id: HeldOutAnswer(item.answer, item.confidence) for item in items})
        return items

    def judge(
        self, questioner: Questioner, labeler: Labeler, voter: Voter, iteration: int, taught: bool = True
    ) -> Verdict:
        """Answer all frozen questions and labelled items again, and compare with the last accepted iteration."""
        found: dict[str, Any] = {}
        if self.images:
            found |= self._compare(questioner, labeler, voter, iteration)
        if self.labelled:
            found |= self.labelled.judge(iteration, self.last_accepted)
        verdict = decide(iteration, self.last_accepted, found, self.settings.tolerance, taught)
        if verdict.accepted:
            self.last_accepted = iteration
            labelled = self.labelled
            if labelled is None or labelled.result(iteration).correct >= labelled.result(self.best).correct:
                self.best = iteration
        else:
            self.rejected.append(iteration)
        return replace(verdict, selected_iteration=self.best)

    def _compare(self, questioner: Questioner, labeler: Labeler, voter: Voter, iteration: int) -> dict[str, Change]:
        """Answer the frozen questions again, and ask new questions about their images."""
        there, before = self.left(self.images), self.last_accepted
        asked = [item.question for item in self.frozen_items() if item.question.image.id in there]
        answered = labeler.label(asked, self.settings.votes, voter)
        self._ask(questioner, labeler, voter, iteration)
        # An image that vanished in the meantime was not answered as it would have been.
        there = self.left(self.images)
        if not there:
            raise ImageError("the held-out images vanished; put them back, then continue with --resume")
        answered = [candidate for candidate in answered if candidate.question.image.id in there]
        now = {c.question.id: HeldOutAnswer(c.result.answer, c.result.confidence) for c in answered}
        self._write_answers(iteration, now)
        earlier, now = _common(self.held_out_answers(before), now)
        items = [item for item in self.frozen_items() if item.question.id in now]
        changes = answer_changes(items, self.settings.trusted, earlier, now)
        first, second = _common(*(read_json(self._asking_file(t)) for t in (before, iteration)))
        first, second = ({image: of[image] for image in of if image in there} for of in (first, second))
        return changes | ({"asking": _change(mean_difference(first, second))} if first else {})

    def _ask(self, questioner: Questioner, labeler: Labeler, voter: Voter, iteration: int) -> tuple[SilverItem, ...]:
        """Questions about the held-out images that have an answer; each image's share of them is written down."""
        wanted, votes = self.settings.questions_per_image, self.settings.votes
        there = self.left(self.images)
        images = [image for image in self.images if image.id in there]
        found = synthesize(questioner, labeler, [Answered()], voter, images, wanted, votes, "acceptance")
        write_record(self.folder, StepId(iteration, "accept", 0), synthesis_rows(found))
        with_answer = Counter(item.question.image.id for item in found.items)
        write_json(self._asking_file(iteration), {image.id: with_answer[image.id] / wanted for image in images})
        return found.items

    def _asking_file(self, iteration: int) -> Path:
        return self.folder / f"asking-{iteration}.json"

    def _write_answers(self, iteration: int, answers: HeldOutAnswers) -> None:
        values = {name: answer._asdict() for name, answer in answers.items()}
        write_json(self.folder / f"iteration-{iteration}.json", values)

    def held_out_answers(self, iteration: int) -> dict[str, HeldOutAnswer]:
        """The answers of an iteration to the frozen questions; iteration 0 is the base."""
        file = self.folder / f"iteration-{iteration}.json"
        try:
            return {name: HeldOutAnswer(**answer) for name, answer in read_json(file).items()}
        except TypeError:
            raise RunError(f"{file} is damaged: not answers; put it back from a copy, or start a new run") from None

    def frozen_items(self) -> tuple[SilverItem, ...]:
        """What `freeze` found."""
        return read_silver(self.folder / "anchor.parquet", {image.id: image for image in self.images})

    def answers(self, before: int, now: int) -> tuple[list[Question], dict[str, str | None], dict[str, str | None]]:
        """The frozen questions and what two iterations answer to them, by question id."""
        first, second = self.held_out_answers(before), self.held_out_answers(now)
        questions = [item.question for item in self.frozen_items() if item.question.id in first.keys() & second.keys()]
        return questions, {q: o.answer for q, o in first.items()}, {q: o.answer for q, o in second.items()}

    def state(self) -> dict[str, Any]:
        """JSON values that `restore` takes."""
        return {
            "last_accepted": self.last_accepted,
            "rejected": list(self.rejected),
            "best": self.best,
            "labelled": self.labelled.fingerprint if self.labelled else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the values of `state`; EvaluationError if they belong to other labelled items."""
        if state["labelled"] != (self.labelled.fingerprint if self.labelled else None):
            raise EvaluationError("the validation set is not what the run began with; put it back, or begin a new run")
        self.last_accepted = state["last_accepted"]
        self.rejected = list(state["rejected"])
        self.best = state["best"]


def read_validation_set(
    path: Path, columns: Mapping[str, str] | None = None, answers_are: AnswersAre | None = None
) -> Suite:
    """The items that `read_labelled` finds; EvaluationError if a row cannot be used, because all rows decide."""
    found = read_labelled(path, columns, answers_are)
    if found.skipped:
        rows = f"{found.skipped[0]} ({len(found.skipped)} such rows)" if len(found.skipped) > 1 else found.skipped[0]
        raise EvaluationError(f"validation set {path}, {rows}; mend what cannot be used, or take it out")
    return found.suite


def without_validation_images(images: Sequence[ImageRef], validation_set: Suite | None) -> tuple[ImageRef, ...]:
    """`images` without those of the validation set, compared byte by byte: the same file, or a copy of it."""
    if validation_set is None:
        return tuple(images)
    held = {_content(part) for item in validation_set.items for part in item.image.parts}
    return tuple(image for image in images if _content(image) not in held)


def _content(image: ImageRef) -> Content:
    return image.content or Content.of(image.read())


def hold_out_images(
    images: Sequence[ImageRef], count: int, seed: int
) -> tuple[tuple[ImageRef, ...], tuple[ImageRef, ...]]:
    """Two parts of `images`: those held out to judge by (`count`, at most a fifth, drawn from `seed`), and the rest."""
    count = min(count, len(images) // 5)
    drawn = set(random_stream(seed, "acceptance/held-out images").permutation(len(images))[:count].tolist())
    held = tuple(image for place, image in enumerate(images) if place in drawn)
    return held, tuple(image for place, image in enumerate(images) if place not in drawn)
