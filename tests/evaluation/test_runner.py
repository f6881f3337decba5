"""Asking: one request a distinct question, greedy and sampled apart, errors named."""

from __future__ import annotations

from pathlib import Path

import pytest

from visplay.config import Sampling
from visplay.evaluation.errors import EvaluationError
from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.runner import evaluate, measure
from visplay.evaluation.suites import open_suites
from visplay.records import Item, Picture, Request, Suite

from .truth_table import TruthTable, wording

LEFT, RIGHT = Picture("left", b"1"), Picture("right", b"2")
GREEDY = Sampling(temperature=0)


def red_when_greedy(request: Request, sampling: Sampling) -> str | None:
    return "red" if request.greedy or sampling.temperature == 0 else None


def test_equal_questions_on_a_picture_share_an_answer_and_others_do_not() -> None:
    items = (
        Item("a", LEFT, "colour?", "red"),
        Item("b", LEFT, "colour?", "blue"),
        Item("c", RIGHT, "colour?", "red"),
        Item("d", LEFT, "colour?", "B", ("blue", "red")),
    )
    engine = TruthTable(red_when_greedy)
    [result] = evaluate(engine, [Suite("s", items)], wording, GREEDY, "greedy")
    [(requests, sampling)] = engine.calls
    assert [(r.picture.id, r.prompt, r.n) for r in requests] == [
        ("left", "colour?", 1),
        ("right", "colour?", 1),
        ("left", "colour?\nA. blue\nB. red", 1),
    ]
    assert sampling == GREEDY
    assert result.marks() == {"a": True, "b": False, "c": True, "d": True}


def test_greedy_and_sampled_are_asked_in_one_call_with_streams_of_their_own() -> None:
    engine = TruthTable(red_when_greedy)
    found = measure(engine, [Suite("s", (Item("a", LEFT, "colour?", "red"),))], wording, max_tokens=9)
    [(requests, sampling)] = engine.calls
    assert sampling == Sampling(temperature=1, top_p=1, top_k=0, max_tokens=9)
    assert sorted(request.greedy for request in requests) == [False, True]
    assert len({request.id for request in requests}) == 2
    assert (found.greedy["s"].accuracy, found.greedy["s"].unboxed) == (1.0, 0)
    assert (found.sampled["s"].accuracy, found.sampled["s"].unboxed) == (0.0, 1)
    assert not measure(engine, [Suite("s", (Item("a", LEFT, "colour?", "red"),))], wording, 9, sampled=False).sampled


def test_a_saved_measurement_is_read_back_whole(tmp_path: Path) -> None:
    suites = [Suite(name, tuple(Item(f"{name}{k}", LEFT, f"{k}?", "red") for k in range(3))) for name in ("s", "é/ü")]
    found = measure(TruthTable(red_when_greedy), suites, wording, max_tokens=9)
    found.save(tmp_path / "base.jsonl")
    assert Measurement.load(tmp_path / "base.jsonl") == found


def test_named_suites_are_opened_in_order_and_cut_to_size() -> None:
    suites = open_suites(["lab", "easy_vqa"], seed=4, items_per_suite=3)
    names = [suite.name for suite in suites]
    assert names[-2:] == ["easy_vqa", "easy_vqa_open"]
    assert {task_of(name) for name in names[:-2]} >= {"lab/counting", "lab/composition", "lab/hallucination"}
    assert {len(suite.items) for suite in suites} == {3}
    assert len({item.id for suite in suites[:-2] for item in suite.items}) == 3 * len(suites[:-2])


def test_what_cannot_be_measured_is_named() -> None:
    engine = TruthTable(red_when_greedy)
    one, other = Item("a", LEFT, "colour?", "red"), Item("a", RIGHT, "colour?", "red")
    for suites, message in [
        ([], "name at least one suite"),
        ([Suite("s", ())], "suite s has no items"),
        ([Suite("s", (one,)), Suite("s", (one,))], "same name"),
        ([Suite("s", (one,)), Suite("t", (other,))], "item id a names two different questions"),
    ]:
        with pytest.raises(EvaluationError, match=message):
            evaluate(engine, suites, wording, GREEDY, "greedy")
    assert not engine.calls
    with pytest.raises(EvaluationError, match="no suite 'mmmu'; choose from"):
        open_suites(["mmmu"], seed=0)
    with pytest.raises(ValueError, match="two items with the same id"):
        Suite("s", (one, other))
