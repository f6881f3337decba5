"""Planted gains, with the lab's model and its engine: what is gained by the box alone is called format, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from visplay.answers import extract_boxed
from visplay.evaluation.grading import Mark
from visplay.evaluation.report import report_tables, run_tables
from visplay.evaluation.results import Measurement, SuiteResult, benchmarks
from visplay.evaluation.runner import measure
from visplay.evaluation.summary import macro_summary, suites_summary
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.suites.tasks import lab_suites
from visplay.roles.open import open_reasoner
from visplay.roles.prompts import Prompts
from visplay.types import Completion, Request

ITEMS = 30  # on a third as many images
SUITES = lab_suites(3, ITEMS, ["color", "existence"], ["clean"])


class Speaker:
    """The lab's model, put before other images, or made to say its answer in another way."""

    def __init__(
        self,
        engine: TransformersEngine,
        say: Callable[[str], str] = lambda text: text,
        show: Callable[[Sequence[Request]], Sequence[Request]] = lambda requests: requests,
    ) -> None:
        self._engine = engine
        self._say = say
        self._show = show

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        said = self._engine.generate(self._show(requests), sampling)
        return {name: tuple(replace(c, text=self._say(c.text)) for c in each) for name, each in said.items()}

    def metrics(self) -> dict[str, float]:
        return {}


def unboxed(text: str) -> str:
    """The same answer in a sentence."""
    boxed = extract_boxed(text)
    return f"I thought about it for a while.\nThe answer is {boxed}." if boxed else text


def on_other_images(requests: Sequence[Request]) -> list[Request]:
    """Each question before the image of another one."""
    images = [request.image for request in requests]
    return [replace(request, image=images[place - 7]) for place, request in enumerate(requests)]


@pytest.fixture(scope="module")
def model() -> tuple[TransformersEngine, Prompts]:
    policy, prompts, _ = open_reasoner("lab")
    return TransformersEngine(policy, 0, 64), prompts


def marks(model: tuple[TransformersEngine, Prompts], **changes: Callable[..., object]) -> Measurement:
    engine, prompts = model
    return measure(Speaker(engine, **changes), SUITES, prompts.answer, None, sampled=False)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def boxing(model: tuple[TransformersEngine, Prompts]) -> Measurement:
    return marks(model)


@pytest.fixture(scope="module")
def telling(model: tuple[TransformersEngine, Prompts]) -> Measurement:
    return marks(model, say=unboxed)


def parts(after: Measurement, before: Measurement, suite: str) -> tuple[Any, Any, Any]:
    """The whole gain, that of the answers and that of the format."""
    [figures] = suites_summary(before, [after])[suite]["iterations"]
    total, answer, form = figures["difference"], figures["gain"]["answer"], figures["gain"]["format"]
    assert answer["mean"] + form["mean"] == pytest.approx(total["mean"])
    low, high = form["ci95"]
    assert low <= form["mean"] <= high and form["n"] == answer["n"] == total["n"] == ITEMS
    return total, answer, form


def test_learning_to_box_what_was_known_is_format(boxing: Measurement, telling: Measurement) -> None:
    for suite in boxing.greedy:
        assert telling.greedy[suite].correct == 0 and {mark.given for mark in telling.greedy[suite].answered} == {None}
        total, answer, form = parts(boxing, telling, suite)
        assert total["mean"] > 0.5 and total["ci95"].low > 0
        assert form["mean"] == pytest.approx(total["mean"]) and form["ci95"].low > 0
        assert answer["mean"] == 0 and answer["p_mcnemar"] == 1
        _, nothing, lost = parts(telling, boxing, suite)
        assert lost["mean"] == pytest.approx(-form["mean"]) and nothing["mean"] == 0


def test_learning_what_was_not_known_is_answer(model: tuple[TransformersEngine, Prompts], boxing: Measurement) -> None:
    guessing = marks(model, show=on_other_images)
    _, answer, form = parts(boxing, guessing, "lab/color/clean")
    assert answer["mean"] > 0.3 and answer["ci95"].low > 0
    assert abs(form["mean"]) < 0.1 and form["ci95"].low <= 0 <= form["ci95"].high


def test_the_split_is_printed_and_written(boxing: Measurement, telling: Measurement) -> None:
    suites = json.loads(json.dumps(suites_summary(telling, [boxing])))
    [figures] = suites["lab/color"]["iterations"]
    assert figures["gain"]["format"]["mean"] == pytest.approx(figures["difference"]["mean"])
    assert figures["gain"]["answer"]["mean"] == 0
    assert suites["lab/color"]["base"]["unparseable"]["share"] == 1
    assert suites["lab/color"]["base"]["tolerant"]["accuracy"] == figures["accuracy"]
    [macro] = macro_summary(telling, [boxing])["iterations"]
    assert macro["gain"]["format"]["mean"] == pytest.approx(macro["difference"]["mean"])
    tables = {table.title: table for table in report_tables(telling, boxing)}
    color, _, mean = tables["where the change comes from, points"].rows
    assert color[:2] == ("lab/color", str(ITEMS)) and color[2] == color[4] and color[3].startswith("+0.0 [-")
    assert mean[0] == "mean of 2" and mean[4].endswith("*")
    # A run says so without being asked, and is silent where there is nothing to tell.
    *_, table = run_tables(of_run(telling, telling, boxing))
    assert table.title == "iteration 2: where the change comes from, points" and table.rows[0] == color
    assert [table.title for table in run_tables(of_run(boxing, boxing))] == [
        "greedy, what is boxed",
        "iteration 1: what the change is made of",
    ]
    assert not list(run_tables({"suites": {}, "macro": {}}))


def of_run(base: Measurement, *iterations: Measurement) -> dict[str, Any]:
    return {"suites": suites_summary(base, iterations), "macro": macro_summary(base, iterations)}


def suite(name: str, marks: list[bool], items: str = "") -> SuiteResult:
    answered = tuple(Mark(f"{items or name}/{n}", "x", mark, True) for n, mark in enumerate(marks))
    return SuiteResult(name, answered)


def results(*suites: SuiteResult) -> dict[str, SuiteResult]:
    return {each.name: each for each in suites}


def test_each_benchmark_weighs_the_same_and_no_item_counts_twice() -> None:
    large, small = suite("easy_vqa", [True] * 90 + [False] * 10), suite("own", [False, True, False, False])
    part = suite("easy_vqa_open", [True] * 5, items="easy_vqa")
    looks = [suite(f"lab/color/{look}", [True, False]) for look in ("clean", "noisy")]
    found = results(large, part, small, *looks)
    assert list(benchmarks(found)) == ["easy_vqa", "own", "lab/color"]
    mean = macro_summary(Measurement({"greedy": found}), [])["base"]
    assert mean["accuracy"] == pytest.approx((0.9 + 0.25 + 0.5) / 3) and mean["n"] == 108
    assert mean["ci95"].low < mean["accuracy"] < mean["ci95"].high


def test_a_macro_difference_is_paired_and_of_the_same_items() -> None:
    before = results(suite("a", [False, False, True, True]), suite("b", [True] * 10))
    after = results(suite("a", [True, True, True, False]), suite("b", [True] * 10))

    def gain(before: dict[str, SuiteResult]) -> Any:
        return macro_summary(Measurement({"greedy": before}), [Measurement({"greedy": after})])["iterations"][0]

    found = gain(before)
    assert found["difference"]["mean"] == found["gain"]["format"]["mean"] == pytest.approx(0.125)
    assert found["gain"]["answer"]["mean"] == 0
    with pytest.raises(ValueError, match="no macro difference"):
        gain(results(suite("a", [True] * 4)))
    with pytest.raises(ValueError, match="same items twice"):
        gain(results(suite("a", [True] * 5), suite("b", [True] * 10)))
