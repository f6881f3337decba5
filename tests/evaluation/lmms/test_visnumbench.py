"""VisNumBench's options and answers, in the shapes that its files are written in."""

from __future__ import annotations

from typing import Any

import pytest

from visplay.evaluation.lmms.visnumbench import doc_to_target, doc_to_text, options

RANGES = {
    "text": "Which range?",
    "option": "(a) (0.50, 0.60) (b) (0.0, 0.10) (c) (0.80, 0.90)",
    "answer": "(b) (0.0, 0.10)",
}
VALUES = {"question": "Which value?", "option": "(a) 0.92 (b) 0.61 (c) 0.5 (d) 0.21", "answer": "d"}
LISTED = {"question": "Who is tallest?", "options": ["the man", "the woman"], "answer": "the woman"}


@pytest.mark.parametrize(
    ("doc", "texts", "target"),
    [
        (RANGES, ["(0.50, 0.60)", "(0.0, 0.10)", "(0.80, 0.90)"], "B"),
        (VALUES, ["0.92", "0.61", "0.5", "0.21"], "D"),
        (LISTED, ["the man", "the woman"], "B"),
    ],
)
def test_options_and_target(doc: dict[str, Any], texts: list[str], target: str) -> None:
    assert options(doc) == texts and doc_to_target(doc) == target


def test_the_options_stand_below_the_question() -> None:
    text = doc_to_text(RANGES, {"post_prompt": ""})
    assert text == "Which range?\nA. (0.50, 0.60)\nB. (0.0, 0.10)\nC. (0.80, 0.90)"


@pytest.mark.parametrize("doc", [{"option": "12"}, {}, LISTED | {"answer": "nobody"}])
def test_what_cannot_be_read_is_an_error_and_no_score(doc: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="VisNumBench"):
        doc_to_target({"answer": "nobody", **doc})
