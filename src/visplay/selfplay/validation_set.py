"""The user's own labelled items as a gate: what the Reasoner answers to them after each iteration.

Nothing is ever trained on them: their answers are compared, and their images are kept out of a run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from visplay.errors import EvaluationError
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.evaluation.runner import measure
from visplay.evaluation.statistics import PairedDifference
from visplay.evaluation.suites.file import read_labelled
from visplay.roles.reasoner import Reasoner
from visplay.types import ImageRef, Suite


def read_validation_set(path: Path) -> Suite:
    """The items of a labelled file, of any format that `read_labelled` takes.

    Raises:
        EvaluationError: no such file, or a row of it cannot be used; a gate is all that its user wrote down.
    """
    found = read_labelled(path)
    if found.skipped:
        others = f" ({len(found.skipped)} such rows)" if len(found.skipped) > 1 else ""
        raise EvaluationError(
            f"validation set {path}, {found.skipped[0]}{others}; mend what cannot be used, or take it out"
        )
    return found.suite


def without_validation_images(images: Sequence[ImageRef], validation_set: Suite | None) -> tuple[ImageRef, ...]:
    """`images` without those of the validation set, compared byte by byte: the same file, or a copy of it."""
    parts = {part.id: part for item in validation_set.items for part in item.image.parts} if validation_set else {}
    sizes = {_size(part) for part in parts.values()}
    held = {_content(part) for part in parts.values()}
    return tuple(p for p in images if _size(p) not in sizes or _content(p) not in held)


class ValidationSet:
    """Labelled items, and what each iteration's Reasoner answers to them; kept in `folder`.

    Args:
        folder: where the marks of each iteration are kept; it exists once something is asked.
        suite: the items.
        reasoner: answers them greedily, with the wording of every evaluation.
    """

    def __init__(self, folder: Path, suite: Suite, reasoner: Reasoner) -> None:
        self.folder = folder
        self.suite = suite
        self.reasoner = reasoner

    def ask(self, iteration: int) -> SuiteResult:
        """Have all items answered, and keep the marks; iteration 0 is the base."""
        reasoner, most = self.reasoner, self.reasoner.settings.sampling.max_tokens
        found = measure(reasoner.voter, (self.suite,), reasoner.prompts.answer, most, sampled=False)
        self.folder.mkdir(exist_ok=True)
        found.save(self._file(iteration))
        return found.greedy[self.suite.name]

    def result(self, iteration: int) -> SuiteResult:
        """What `ask` found."""
        return Measurement.load(self._file(iteration)).greedy[self.suite.name]

    def difference(self, before: int, now: int) -> PairedDifference:
        """Accuracy of one iteration minus that of an earlier one, item by item."""
        return self.result(now).difference_to(self.result(before))

    @property
    def fingerprint(self) -> str:
        """Of the items with their labels and images, as a run's state keeps it."""
        items = [
            (item.id, item.question, item.answer, item.choices, [_content(part) for part in item.image.parts])
            for item in self.suite.items
        ]
        return f"{len(items)} items, {blake2b(repr(items).encode(), digest_size=8).hexdigest()}"

    def _file(self, iteration: int) -> Path:
        return self.folder / f"labelled-{iteration}.jsonl"


def _size(image: ImageRef) -> int:
    return len(image.data) if isinstance(image.data, bytes) else image.data.stat().st_size


def _content(image: ImageRef) -> str:
    data = image.data if isinstance(image.data, bytes) else image.data.read_bytes()
    return blake2b(data, digest_size=16).hexdigest()
