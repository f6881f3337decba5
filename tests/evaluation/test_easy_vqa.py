"""The open half of the real benchmark: its size, and that its two suites are answered together."""

from __future__ import annotations

from collections import Counter

import pytest

from visplay.evaluation.open_suites import draw_items, open_suites
from visplay.evaluation.runner import measure
from visplay.evaluation.suites.easy_vqa import EasyVQA
from visplay.interfaces.engine import Sampling
from visplay.lab.sources.easy_vqa import EasyVQASource
from visplay.lab.suites.tasks import LabSuites
from visplay.types import Request

from .truth_table import TruthTable, wording


def test_sizes_kinds_and_images() -> None:
    whole, open_ones = EasyVQA().open(0, None)
    assert (whole.name, len(whole.items)) == ("easy_vqa", 4_842)
    assert (open_ones.name, len(open_ones.items)) == ("easy_vqa_open", 1_273)
    assert len({item.image for item in whole.items}) == 500
    assert all(item.image.load().size == (64, 64) for item in whole.items[:20])
    assert set(open_ones.items) == {item for item in whole.items if item.answer not in ("yes", "no")}
    assert Counter(item.kind for item in open_ones.items).keys() == {"shape", "colour"}


def test_no_test_image_passes_for_a_training_one() -> None:
    halves = (EasyVQA().open(0, None, sealed) for sealed in (False, True))
    tested = {item.image for half in halves for suite in half for item in suite.items}
    trained = set(EasyVQASource().open(seed=0).images)
    assert not {image.id for image in tested} & {image.id for image in trained}
    assert not {image.data for image in tested} & {image.data for image in trained}


def test_each_question_is_asked_once_for_both_suites() -> None:
    whole, open_ones = EasyVQA().open(0, None)
    truth = {(item.image, item.question): item.answer for item in whole.items}

    def knows_only_open(request: Request, sampling: Sampling) -> str:
        answer = truth[request.image, request.prompt]
        return "purple" if answer in ("yes", "no") else answer

    engine = TruthTable(knows_only_open)
    results = measure(engine, [open_ones, whole], wording, None, sampled=False).greedy
    [(requests, _)] = engine.calls
    assert len(requests) == len({request.id for request in requests}) == 4_842
    assert [(r.name, r.n, r.correct) for r in results.values()] == [
        ("easy_vqa_open", 1_273, 1_273),
        ("easy_vqa", 4_842, 1_273),
    ]


def test_drawing_items_is_stable_and_keeps_shared_items_shared() -> None:
    whole, open_ones = EasyVQA().open(0, None)
    some, some_open = draw_items(whole, 500, seed=1), draw_items(open_ones, 500, seed=1)
    assert len(some.items) == len(some_open.items) == 500
    assert some == draw_items(whole, 500, seed=1) != draw_items(whole, 500, seed=2)
    assert {item for item in some.items if item.kind != "yes/no"} <= set(some_open.items)
    assert draw_items(open_ones, None, seed=1) is open_ones


@pytest.mark.parametrize("most, found", [(None, (30, 4)), (7, (7, 4)), (2, (2, 2))])
def test_a_source_limits_its_own_items_and_the_run_limits_all(most: int | None, found: tuple[int, int]) -> None:
    sources = [EasyVQA(items=30), LabSuites(part="color/clean", items=4)]
    suites = {suite.name: len(suite.items) for suite in open_suites(sources, 0, most)}
    assert (suites["easy_vqa"], suites["lab/color/clean"]) == found
    assert suites["easy_vqa_open"] == found[0]
