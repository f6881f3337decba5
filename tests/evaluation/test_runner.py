"""Asking: one request a distinct question, greedy and sampled apart, errors named."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from visplay.errors import EvaluationError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.runner import measure
from visplay.evaluation.summary import suites_summary
from visplay.interfaces.engine import Sampling
from visplay.types import ImageRef, Item, Request, Suite

from .truth_table import Said, TruthTable, wording

LEFT, RIGHT = ImageRef("left", b"1"), ImageRef("right", b"2")


def red_when_greedy(request: Request, sampling: Sampling) -> str | None:
    return "red" if request.greedy or sampling.temperature == 0 else None


def test_equal_questions_on_a_image_share_an_answer_and_others_do_not() -> None:
    items = (
        Item("a", LEFT, "colour?", "red"),
        Item("b", LEFT, "colour?", "blue"),
        Item("c", RIGHT, "colour?", "red"),
        Item("d", LEFT, "colour?", "B", ("blue", "red")),
    )
    engine = TruthTable(red_when_greedy)
    [result] = measure(engine, [Suite("s", items)], wording, 9, sampled=False).greedy.values()
    [(requests, sampling)] = engine.calls
    assert [(r.image.id, r.prompt, r.n) for r in requests] == [
        ("left", "colour?", 1),
        ("right", "colour?", 1),
        ("left", "colour?\nA. blue\nB. red", 1),
    ]
    assert sampling.max_tokens == 9 and all(request.greedy for request in requests)
    assert result.marks() == {"a": True, "b": False, "c": True, "d": True}


def test_greedy_and_sampled_are_asked_in_one_call_with_streams_of_their_own() -> None:
    engine = TruthTable(red_when_greedy)
    found = measure(engine, [Suite("s", (Item("a", LEFT, "colour?", "red"),))], wording, max_tokens=9)
    [(requests, sampling)] = engine.calls
    assert sampling == Sampling(temperature=1, top_p=1, top_k=0, max_tokens=9)
    assert sorted(request.greedy for request in requests) == [False, True]
    assert len({request.id for request in requests}) == 2
    assert found.greedy["s"].accuracy == 1 and found.by_decoding["sampled"]["s"].accuracy == 0
    alone = measure(engine, [Suite("s", (Item("a", LEFT, "colour?", "red"),))], wording, 9, sampled=False)
    assert list(alone.by_decoding) == ["greedy"]


def test_a_saved_measurement_is_read_back_whole(tmp_path: Path) -> None:
    suites = [Suite(name, tuple(Item(f"{name}{k}", LEFT, f"{k}?", "red") for k in range(3))) for name in ("s", "é/ü")]
    suites = [Suite(s.name, tuple(replace(i, image=ImageRef("p", png(8, 8))) for i in s.items)) for s in suites]
    for k in (0, 2, 12):
        found = measure(TruthTable(red_when_greedy), suites, wording, max_tokens=9, k=k, no_image=k == 2)
        found.save(tmp_path / "base.jsonl")
        assert Measurement.load(tmp_path / "base.jsonl") == found
        assert [name for name in found.by_decoding if "@" in name] == ([f"pass@{k}", f"maj@{k}"] if k else [])


def test_blind_questions_are_asked_of_a_grey_image_in_the_same_call() -> None:
    photo = ImageRef("photo", png(32, 24))
    items = (
        Item("a", photo, "colour?", "red"),
        Item("b", ImageRef("other", png(32, 24)), "colour?", "blue"),
        Item("c", ImageRef("larger", png(64, 24)), "colour?", "red"),
    )
    engine = TruthTable(lambda request, sampling: "blue" if request.image.id.startswith("blank/") else "red")
    found = measure(engine, [Suite("s", items)], wording, 9, sampled=False, no_image=True)
    [(requests, _)] = engine.calls
    assert [(r.id, r.image.id, r.greedy) for r in requests[3:]] == [
        ("evaluation/no_image/a", "blank/32x24", True),  # b has the same question on an image of the same size
        ("evaluation/no_image/c", "blank/64x24", True),
    ]
    assert found.greedy["s"].marks() == {"a": True, "b": False, "c": True}
    assert found.by_decoding["no_image"]["s"].marks() == {"a": False, "b": True, "c": False}
    figures = suites_summary(None, [found])["s"]["iterations"][0]
    assert figures["no_image"]["accuracy"] == pytest.approx(1 / 3)
    assert (figures["above_no_image"]["mean"], figures["above_no_image"]["n"]) == (pytest.approx(1 / 3), 3)


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_k_answers_are_asked_beside_the_others_in_one_call() -> None:
    def red_once(request: Request, sampling: Sampling) -> Said:
        return (None, "blue", "red", "blue") if request.n == 4 else "green"

    items = (Item("a", LEFT, "colour?", "red"), Item("b", LEFT, "colour?", "red"), Item("c", RIGHT, "colour?", "pink"))
    engine = TruthTable(red_once)
    found = measure(engine, [Suite("s", items)], wording, max_tokens=9, k=4)
    [(requests, sampling)] = engine.calls
    assert sampling.temperature == 1
    assert [(r.id, r.n, r.greedy) for r in requests] == [
        ("evaluation/greedy/a", 1, True),
        ("evaluation/greedy/c", 1, True),
        ("evaluation/sampled/a", 1, False),
        ("evaluation/sampled/c", 1, False),
        ("evaluation/pass4/a", 4, False),
        ("evaluation/pass4/c", 4, False),
    ]
    assert list(found.by_decoding) == ["greedy", "sampled", "pass@4", "maj@4"]
    assert {name: results["s"].correct for name, results in found.by_decoding.items()} == {
        "greedy": 0,
        "sampled": 0,
        "pass@4": 2,
        "maj@4": 0,
    }
    assert [(m.item_id, m.given, m.correct) for m in found.by_decoding["pass@4"]["s"].answered] == [
        ("a", "red", True),
        ("b", "red", True),
        ("c", "blue", False),
    ]


def test_an_impossible_count_is_named() -> None:
    engine, suite = TruthTable(red_when_greedy), Suite("s", (Item("a", LEFT, "colour?", "red"),))
    with pytest.raises(EvaluationError, match="got -1"):
        measure(engine, [suite], wording, 9, k=-1)
    assert not engine.calls


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
            measure(engine, suites, wording, None)
    assert not engine.calls
    with pytest.raises(EvaluationError, match="no suite 'mmmu'; choose one of"):
        open_suites(["mmmu"], seed=0)
    with pytest.raises(ValueError, match="two items with the same id"):
        Suite("s", (one, other))
