"""The suite `easy_vqa`: 9,673 test questions of the PyPI package easy-vqa on 1,000 drawings.

Its labels are read to report and for nothing else. Most questions are yes/no, so a guesser that never looks at the
image gets two thirds of them right. The open questions (colour, shape) are therefore also a suite, with the same items.

Source: Victor Zhou, easy-VQA, https://github.com/vzhou842/easy-VQA.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from visplay.errors import EvaluationError
from visplay.interfaces.suite import SuiteSource
from visplay.types import ImageRef, Item, Suite

_KINDS = {"yes": "yes/no", "no": "yes/no", "circle": "shape", "rectangle": "shape", "triangle": "shape"}


class EasyVQA(SuiteSource, type="easy_vqa"):
    """The test questions of the easy-vqa package: `easy_vqa`, and its 2,537 open questions as `easy_vqa_open`."""

    def open(self, seed: int, items: int | None) -> tuple[Suite, ...]:
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
        images = {row[2]: ImageRef(f"easy-vqa-test/{row[2]}", folder / "images" / f"{row[2]}.png") for row in rows}
        found = tuple(
            Item(f"easy-vqa-test/question-{row}", images[number], question, answer, kind=_KINDS.get(answer, "colour"))
            for row, (question, answer, number) in enumerate(rows)
        )
        open_ones = tuple(item for item in found if item.kind != "yes/no")
        return Suite("easy_vqa", found), Suite("easy_vqa_open", open_ones)

    def __str__(self) -> str:
        return self.type
