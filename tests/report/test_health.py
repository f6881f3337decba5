"""Collapses that were planted, and a run that is well: what is said of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from visplay.report.health import Sign, is_degenerate, signs

WELL: dict[str, Any] = dict(
    iteration=1,
    asked=1000,
    valid=1000,
    candidates=960,
    kept=500,
    unlabelled=200,
    refused=10,
    dropped={"plain": 2, "needs_image": 48, "band": 200},
    confidence_histogram=(200, 0, 0, 0, 0, 90, 30, 200, 80, 360),
    types={"open": 400, "numerical": 300, "multiple choice": 260},
    distinct_texts=300,
    mean_confidence=0.6,
    unboxed_share=0.002,
    label_accuracy=0.97,
    answerable=0.99,
)
TEXTS = [f"what color is thing number {n} on the table?" for n in range(100)]


def curve(phase: str, name: str, *values: float | None) -> dict[str, Any]:
    return {"phase": phase, "name": name, "iteration": [1] * len(values), "y": values}


def page(*silver: dict[str, Any], curves: Sequence[Any] = (), verdicts: Sequence[Any] = ()) -> dict[str, Any]:
    return {"curves": curves, "silver": silver, "verdicts": verdicts}


def named(found: list[Sign]) -> dict[str, Sign]:
    return {sign["name"]: sign for sign in found}


def of_set(texts: list[str] | None = None, **values: Any) -> dict[str, Sign]:
    """Signs of a second iteration that differs from a good one in these values."""
    last = WELL | dict(iteration=2, **values)
    return named(signs(page(WELL, last), TEXTS if texts is None else texts))


def test_a_run_that_is_well_shows_no_sign_but_good_ones() -> None:
    steady = tuple(curve(p, "entropy", 0.4, 0.4, 0.4, 0.3, 0.3, 0.3) for p in ("questioner", "reasoner"))
    found = signs(page(WELL, WELL | dict(iteration=2), curves=steady), TEXTS)
    assert {sign["level"] for sign in found} == {"good"}
    assert all(
        sign["words"].endswith(".") and sign["words"][0].isupper() | sign["words"][0].isdigit() for sign in found
    )


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert signs(page()) == []
    bare = WELL | dict(label_accuracy=None, answerable=None, unboxed_share=None, dropped={"band": 0})
    assert named(signs(page(bare))).keys() == {
        *("small set", "duplicates", "one type", "valid", "with answer", "sure of everything"),
    }


@pytest.mark.parametrize(
    ("name", "level", "values", "said"),
    [
        ("duplicates", "watch", {"distinct_texts": 90}, "90 of 960 questions (9.4 %) differ in wording"),
        ("duplicates", "bad", {"distinct_texts": 4}, "31 % at first"),
        ("one type", "watch", {"types": {"open": 850, "numerical": 110}}, "89 % of the questions are open"),
        ("one type", "bad", {"types": {"numerical": 960}}, "100 % of the questions are numerical"),
        ("no_image", "watch", {"dropped": {"plain": 160, "needs_image": 240}}, "240 of 600 questions (40 %)"),
        ("no_image", "bad", {"dropped": {"needs_image": 600, "band": 9}}, "600 of 760 questions (79 %)"),
        ("valid", "watch", {"valid": 850}, "85 % of what was asked"),
        ("valid", "bad", {"valid": 300}, "30 % of what was asked"),
        ("unboxed", "bad", {"unboxed_share": 0.5}, "50 % of the answers are not boxed"),
        ("with answer", "bad", {"unlabelled": 800, "dropped": {"needs_image": 0}}, "150 of 960 questions (16 %)"),
        ("small set", "watch", {"kept": 40}, "40 of 960 questions (4.2 %) became silver"),
        ("small set", "bad", {"kept": 0}, "0 of 960 questions (0 %) became silver"),
        (
            "sure of everything",
            "bad",
            {"confidence_histogram": (0,) * 9 + (960,)},
            "100 % of the questions have a confidence",
        ),
        ("answerable", "watch", {"answerable": 0.89}, "89 % of the silver questions have a true answer"),
        ("label accuracy", "bad", {"label_accuracy": 0.5}, "50 % of the silver answers are true"),
    ],
)
def test_a_planted_collapse_is_named_with_its_figure(name: str, level: str, values: dict[str, Any], said: str) -> None:
    found = of_set(**values)
    planted = found.pop(name)
    assert planted["level"] == level and said in planted["words"]
    assert {sign["level"] for sign in found.values()} == {"good"}


def test_one_question_for_every_image_is_seen_in_the_texts() -> None:
    found = of_set(["what color is the shape?"] * 60 + TEXTS[:40])["duplicates"]
    assert found["level"] == "bad" and "“what color is the shape?”, makes 60 %" in found["words"]


def test_marks_and_words_that_are_repeated_are_seen() -> None:
    found = of_set([*TEXTS[:80], *["how many circles are there??"] * 20])["degenerate"]
    assert found["level"] == "bad" and "20 of 100 questions (20 %)" in found["words"] and "there??" in found["words"]
    assert of_set()["degenerate"]["level"] == "good"


@pytest.mark.parametrize(
    "text", ["what??", "what is it ? ?", "is is is it?", "no no no", "aaaaaah what", "....", "1 + 2", "how, , many"]
)
def test_what_is_degenerate(text: str) -> None:
    assert is_degenerate(text)


@pytest.mark.parametrize(
    "text", ["what is on it?", "is that that car?", "See 3.1; 4.1", "这是什么颜色？", "wait... what?"]
)
def test_what_is_not(text: str) -> None:
    assert not is_degenerate(text)


def test_falling_entropy_is_told_of_the_role_that_fell_most() -> None:
    fallen = (
        curve("questioner", "entropy", 0.4, 0.4, 0.4, 0.2, 0.05, 0.05, 0.05),
        curve("reasoner", "entropy", 0.06, 0.06, None, 0.06, 0.05, 0.05, 0.05),
    )
    found = named(signs(page(curves=fallen)))["entropy"]
    assert (found["level"], found["words"]) == (
        "bad",
        "The Questioner's entropy is 0.050 nats a token, 0.400 at first.",
    )
    assert "entropy" not in named(signs(page(curves=(curve("questioner", "entropy", 0.4, 0.01),))))


def test_before_the_first_silver_set_the_steps_of_the_questioner_tell() -> None:
    steps = (
        curve("questioner", "distinct_texts", 90, 88, 92, 30, 9, 8, 7),
        curve("questioner", "valid", 1, 1, 1, 0.5, 0.5, 0.5),
    )
    found = named(signs(page(curves=steps)))
    assert (found["duplicates"]["level"], found["valid"]["level"]) == ("bad", "bad")
    assert found["duplicates"]["words"] == "A step of the Questioner asks 8 different texts, 90 at first."


def test_iterations_that_are_taken_back() -> None:
    def of(*accepted: bool) -> Sign:
        verdicts = [{"iteration": t, "accepted": one} for t, one in enumerate(accepted, 1)]
        return named(signs(page(verdicts=verdicts)))["rejected"]

    assert of(True, True)["level"] == "good"
    assert (of(True, False)["level"], of(True, False)["words"]) == ("watch", "Rolled back: iteration 2.")
    assert of(True, False, True)["level"] == "watch"
    assert (of(True, False, False)["level"], of(True, False, False)["words"]) == (
        "bad",
        "Rolled back: iterations 2, 3.",
    )


def test_the_worst_stands_first() -> None:
    found = signs(page(WELL | dict(kept=0, answerable=0.89)))
    assert [sign["level"] for sign in found[:3]] == ["bad", "watch", "good"]
