from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.answers import begun_thought, extract_boxed


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{3}", "3"),
        (r"so \boxed{ 3 cats } it is", "3 cats"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed {3}", "3"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"} {\boxed{3}", "3"),
        (r"\boxed{3} and then \boxed{4", "3"),
        (r"\\boxed{3}", "3"),
        (r"\boxed{}", None),
        (r"\boxed{1} \boxed{  }", None),
        (r"\boxed{3", None),
        (r"\boxed 3", None),
        ("3", None),
        ("", None),
        # A box in a thought is none, however the family marks it.
        (r"<think>\boxed{1}</think> \boxed{2}", "2"),
        (r"\boxed{1}</think> \boxed{2}", "2"),
        ("<think>\n\n</think>\n\\boxed{2}", "2"),
        (r"<think>\boxed{1}</think> so it is", None),
        (r"<think>it may be \boxed{1}", None),
        (r"\boxed{1} <think> wait", None),
        (r"<think>between <think> and </think>, so \boxed{1}", None),
        (r"<think>between <think> and </think>, \boxed{1}</think> \boxed{2}", "2"),
        (r"<think>a</think><think>b \boxed{1}</think>\boxed{2}", "2"),
        (r"<THINK>\boxed{1}</Think>\boxed{2}", "2"),
        (r"<thinking>\boxed{1}", None),
        (r"◁think▷\boxed{1}◁/think▷\boxed{2}", "2"),
        (r"[THINK]\boxed{1}[/THINK]\boxed{2}", "2"),
        ("<|channel>thought\n\\boxed{1}<channel|>\\boxed{2}", "2"),
        ("<|channel>thought\n\\boxed{1}", None),
        # GLM has a box of its own.
        ("<think>so</think><|begin_of_box|>42<|end_of_box|>", "42"),
        (r"<|begin_of_box|>\boxed{42}<|end_of_box|>", "42"),
        ("<|begin_of_box|>42", None),
    ],
)
def test_takes_the_last_balanced_box(text: str, answer: str | None) -> None:
    assert extract_boxed(text) == answer


@given(st.text(), st.text(alphabet="ab {}", max_size=20))
def test_finds_what_was_boxed(before: str, content: str) -> None:
    depth = 0
    for sign in content:
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            break
    if depth == 0 and not before.endswith("\\"):
        assert extract_boxed(f"{before}\\boxed{{{content}}}") == (content.strip() or None)


@pytest.mark.parametrize(
    ("prompt", "mark"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>\n"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("reason between <think> and </think>\nassistant\n", ""),
        ("<|turn>model\n<|channel>thought\n", "<|channel>thought\n"),
        ("assistant:", ""),
    ],
)
def test_the_thought_that_a_prompt_begins(prompt: str, mark: str) -> None:
    assert begun_thought(prompt) == mark


@pytest.mark.parametrize("piece", ["<think>", "</think>", "<|begin_of_box|>", "<|end_of_box|>", "< ", "<|channel>"])
def test_hostile_marks_take_no_time(piece: str) -> None:
    started = time.process_time()
    extract_boxed(piece * 100_000)
    assert time.process_time() - started < 2


def test_deep_nesting_is_no_trouble() -> None:
    assert extract_boxed("\\boxed{" * 15_000 + "3" + "}" * 15_000) == "3"
