"""Planted gains, with the lab's model and its engine: what is gained by the box alone is called format, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from visplay.answers import extract_boxed
from visplay.evaluation.gain import Gain, gain
from visplay.evaluation.report import report_sheets, run_sheets
from visplay.evaluation.results import Measurement
from visplay.evaluation.runner import measure
from visplay.evaluation.summary import macro_summary, suites_summary
from visplay.generation.transformers_engine import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.suites.tasks import lab_suites
from visplay.roles.prompts import Prompts
from visplay.selfplay.state import open_reasoner
from visplay.types import Completion, Request

SUITES = lab_suites(3, 12, ["color", "existence"], ["clean"])


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


def parts(after: Measurement, before: Measurement, suite: str) -> Gain:
    found = gain(after.greedy[suite], before.greedy[suite])
    assert found is not None
    assert found.answer.mean + found.format.mean == pytest.approx(found.total.mean)
    low, high = found.format.ci95
    assert low <= found.format.mean <= high and found.format.n == found.answer.n == found.total.n == 12
    return found


def test_learning_to_box_what_was_known_is_format(boxing: Measurement, telling: Measurement) -> None:
    for suite in boxing.greedy:
        assert telling.greedy[suite].correct == 0 and telling.greedy[suite].unboxed == 12
        found = parts(boxing, telling, suite)
        assert found.total.mean > 0.5 and found.total.ci95.excludes_zero
        assert found.format.mean == pytest.approx(found.total.mean) and found.format.ci95.excludes_zero
        assert found.answer.mean == 0 and found.answer.p_mcnemar == 1
        lost = parts(telling, boxing, suite)
        assert lost.format.mean == pytest.approx(-found.format.mean) and lost.answer.mean == 0


def test_learning_what_was_not_known_is_answer(model: tuple[TransformersEngine, Prompts], boxing: Measurement) -> None:
    guessing = marks(model, show=on_other_images)
    found = parts(boxing, guessing, "lab/color/clean")
    assert found.answer.mean > 0.3 and found.answer.ci95.excludes_zero
    assert abs(found.format.mean) < 0.1 and not found.format.ci95.excludes_zero


def test_the_split_is_printed_and_written(boxing: Measurement, telling: Measurement) -> None:
    suites = json.loads(json.dumps(suites_summary(telling, [boxing])))
    [figures] = suites["lab/color"]["iterations"]
    assert figures["gain"]["format"]["mean"] == pytest.approx(figures["difference"]["mean"])
    assert figures["gain"]["answer"]["mean"] == 0
    assert suites["lab/color"]["base"]["unparseable"]["share"] == 1
    assert suites["lab/color"]["base"]["tolerant"]["accuracy"] == figures["accuracy"]
    [macro] = macro_summary(telling, [boxing])["iterations"]
    assert macro["gain"]["format"]["mean"] == pytest.approx(macro["difference"]["mean"])
    sheets = {sheet.title: sheet for sheet in report_sheets(telling, boxing)}
    color, _, mean = sheets["where the change comes from, points"].rows
    assert color[:2] == ("lab/color", "12") and color[2] == color[4] and color[3] == "+0.0 [+0.0, +0.0]"
    assert mean[0] == "mean of 2" and mean[4].endswith("*")
    # A run says so without being asked, and is silent where there is nothing to tell.
    [sheet] = run_sheets(telling, [telling, boxing])
    assert sheet.title == "iteration 2: where the change comes from, points" and sheet.rows[0] == color
    assert not list(run_sheets(boxing, [boxing])) and not list(run_sheets(None, []))
