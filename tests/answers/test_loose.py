"""The tolerant reader: what is boxed wins, what is plainly said is found, nothing makes it fail or linger."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.answers import extract_boxed, read_loosely

COLOURS = ("red", "dark blue", "blue")
CASES = Path(__file__).with_name("cases") / "tolerant_reader.jsonl"


@pytest.mark.parametrize("case", [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()])
def test_answers_of_real_models(case: dict[str, Any]) -> None:
    assert read_loosely(case["text"], case["choices"]) == case["read"]


@pytest.mark.parametrize(
    ("text", "choices", "read"),
    [
        ("<think>a</think><answer>\nB\n</answer>", COLOURS, "B"),
        ("<answer>dark blue</answer>", COLOURS, "B"),
        ("<answer>1</answer> no, <answer>2</answer>", (), "2"),
        ("<Answer>12 cm</Answer>", (), "12 cm"),
        ('```json\n{"reasoning": "two and two", "answer": "4 cats"}\n```', (), "4 cats"),
        ('{"answer": "B", "confidence": 0.9}', COLOURS, "B"),
        ("{'final_answer': 7}", (), "7"),
        ("<think>…</think><|begin_of_box|>C<|end_of_box|>", COLOURS, "C"),
        ("最终答案：B", COLOURS, "B"),
        ("答案为：42。", (), "42"),
        ("答えは12です。", (), "12"),
        ("La réponse est 12.", (), "12"),
        ("Die Antwort ist: B", COLOURS, "B"),
        ("La respuesta es C.", COLOURS, "C"),
        ("정답은 B", COLOURS, "B"),
        ("Ответ: 12", (), "12"),
        ("2 + 2 = 4", (), "4"),
        ("Area = 3 × 4 = 12 cm²", (), "12 cm^2"),
        ("**Final Answer:** C. It is not B.", COLOURS, "C"),
        ("The correct option is (A), although (B) is close.", COLOURS, "A"),
        ("It is not A but B.", COLOURS, "B"),
        ("Answer: B (not A)", COLOURS, "B"),
    ],
)
def test_the_habits_of_other_trainings(text: str, choices: tuple[str, ...], read: str) -> None:
    assert read_loosely(text, choices) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The answer is red.", "red"),
        ("The circle is red.", "red"),
        ("<think>red, or blue</think> blue", "blue"),
        ("I looked twice.\n\nAnswer: 12", "12"),
        ("answer:\n\n12", "12"),
        ("The final answer is: **5 cm**. It was easy.", "5 cm"),
        ("So there are 3 red circles.", "3 red circles"),
        ("There are three of them on the table, which I counted from left to right", "three"),
        ("It has a long body and, if one looks at all of it, 1,200 spots", "1,200"),
        (r"$\frac{1}{2}$", "1/2"),
        ("Yes, the circle is left of the cross.", "yes"),
        ("No", "no"),
        ("It fell below zero:\n\n-5", "-5"),
        ("Seen:\n- a cross\n- a circle", "a circle"),
        ("Counted both.\n### Answer\n> **7**", "7"),
        ("no entry", "no entry"),
        ("There is not a cross.", "There is not a cross"),
        (r"<think>so</think>\boxed{22", "22"),
        (r"\boxed{no</think>\boxed{yes no", "yes no"),
        ("", None),
        (" \n\t", None),
        ("I cannot tell at all what is to be seen in this image", None),
    ],
)
def test_what_is_plainly_said_is_found(text: str, read: str | None) -> None:
    assert extract_boxed(text) is None
    assert read_loosely(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("B", "B"),
        ("**Answer:** (B)", "B"),
        ("The answer is B, since A is too bright.", "B"),
        ("The answer is (A) red. Not B.", "A"),
        ("I would go with option C", "C"),
        ("A cat on a mat. So B.", "B"),
        ("A cat on a mat, all blue", "C"),
        ("I think that it is dark blue", "B"),
        ("first red, then blue, and in the end red\nThat was all.", "A"),
        ("D", "D"),
        ("none of them", "none of them"),
    ],
)
def test_of_options_the_one_named_last_is_read(text: str, read: str) -> None:
    assert read_loosely(text, COLOURS) == read


@given(st.text(max_size=20), st.text(alphabet="abc {}\\", max_size=9), st.text(max_size=20))
def test_a_box_always_wins(before: str, inside: str, after: str) -> None:
    text = f"{before}\\boxed{{{inside}}}{after} the answer is B."
    boxed = extract_boxed(text)
    if boxed is not None:
        assert read_loosely(text) == read_loosely(text, COLOURS) == boxed


PIECES = st.one_of(
    st.sampled_from(
        ["\\boxed{", "}", "{", "<think>", "</think>", "answer is ", "Answer:", "**", "(B)", "A. ", "yes", "no"]
    ),
    st.sampled_from(
        ["3", ",000", ".5", "/", "-", "%", "is ", "\n", " ", "red", "blue", "\u0130", "\u00bd", "\ud800", "$"]
    ),
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=60).map("".join), st.booleans())
def test_no_text_makes_it_fail_and_what_it_reads_is_never_blank(text: str, choices: bool) -> None:
    read = read_loosely(text, COLOURS if choices else ())
    assert read is None or read == read.strip() != ""


@pytest.mark.parametrize(
    "piece", ["\\boxed{", "1,", "answer is ", "is ", "(A", "no ", "<think>", ". ", "a-", "\n", "*"]
)
def test_a_long_text_takes_no_longer_than_its_length_explains(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    begun = time.perf_counter()
    read_loosely(text, COLOURS)
    assert time.perf_counter() - begun < 2
