"""The suite `easy_vqa`: 9,673 test questions of the PyPI package easy-vqa on 1,000 drawings, in two halves.

A hash of an image's number decides its half. The open half has 4,842 questions on 500 images, the sealed half the rest.
Its labels are read to report and for nothing else. Most questions are yes/no, so a guesser that never looks at the
image gets two thirds of them right. The open questions (colour, shape) are therefore also a suite, with the same items.

Source: Victor Zhou, easy-VQA, https://github.com/vzhou842/easy-VQA.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from visplay.errors import EvaluationError
from visplay.interfaces.suite import SuiteSource
from visplay.types import ImageRef, Item, Suite

_KINDS = {"yes": "yes/no", "no": "yes/no", "circle": "shape", "rectangle": "shape", "triangle": "shape"}


class EasyVQA(SuiteSource, type="easy_vqa"):
    """Test questions of the easy-vqa package: `easy_vqa`, and those of them that are not yes/no as `easy_vqa_open`."""

    has_sealed_half: ClassVar[bool] = True

    def open(self, seed: int, items: int | None, sealed: bool = False) -> tuple[Suite, ...]:
        spec = find_spec("easy_vqa")
        if spec is None or spec.origin is None:
            raise EvaluationError("the package easy-vqa is not installed; run: pip install easy-vqa")
        folder = Path(spec.origin).parent / "data" / "test"
        try:
            rows = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
        except OSError:
            raise EvaluationError(
                "the package easy-vqa holds no test questions; run: pip install --force-reinstall easy-vqa"
            ) from None
        hidden = _sealed({row[2] for row in rows})
        images = {row[2]: ImageRef(f"easy-vqa-test/{row[2]}", folder / "images" / f"{row[2]}.png") for row in rows}
        found = tuple(
            Item(f"easy-vqa-test/question-{row}", images[number], question, answer, kind=_KINDS.get(answer, "colour"))
            for row, (question, answer, number) in enumerate(rows)
            if (number in hidden) == sealed
        )
        open_ones = tuple(item for item in found if item.kind != "yes/no")
        return Suite("easy_vqa", found), Suite("easy_vqa_open", open_ones)

    def __str__(self) -> str:
        return self.type


def _sealed(numbers: Iterable[int]) -> set[int]:
    """Half of the images, by a hash of their numbers."""
    shuffled = sorted(numbers, key=lambda number: blake2b(str(number).encode(), digest_size=8).digest())
    return set(shuffled[: len(shuffled) // 2])
