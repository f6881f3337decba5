"""The sealed half of each suite: apart from the open half, asked only by name, and refused where there is none."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest

from visplay import evaluate
from visplay.cli.main import main
from visplay.errors import EvaluationError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.results import Measurement
from visplay.evaluation.suites.easy_vqa import EasyVQA
from visplay.interfaces.component import components
from visplay.interfaces.suite import SuiteSource
from visplay.types import ImageRef, Item, Suite

OPEN_BY_DEFAULT = sorted(name for name, kind in components("suite").items() if getattr(kind, "has_sealed_half", False))


class Mine(SuiteSource):
    """A suite of the user's own, written as before there were two halves."""

    def open(self, seed: int, items: int | None) -> tuple[Suite, ...]:  # type: ignore[override]
        return (Suite("mine", (Item("mine/1", ImageRef("mine", b""), "how many?", "1"),)),)


@pytest.mark.parametrize("name", OPEN_BY_DEFAULT)
@pytest.mark.parametrize("items", [pytest.param(None, marks=pytest.mark.long), 40])
def test_the_halves_share_no_item_and_no_image(name: str, items: int | None) -> None:
    halves = open_suites([name], 3, items), open_suites([name], 3, items, sealed=True)
    assert open_suites([name], 3, items, sealed=False) == halves[0]
    assert open_suites([name], 3, items, sealed=True) == halves[1]
    for apart in (
        lambda item: item.id,
        lambda item: item.image.id,
        lambda item: item.image.data,
        lambda item: item.image.load().tobytes(),
    ):
        first, second = ({apart(item) for suite in half for item in suite.items[:100]} for half in halves)
        assert first and second and not first & second
    assert [suite.name for suite in halves[0]] == [suite.name for suite in halves[1]]
    if items or name != "easy_vqa":
        assert [len(suite.items) for suite in halves[0]] == [len(suite.items) for suite in halves[1]]


def test_three_built_in_sources_have_two_halves() -> None:
    assert OPEN_BY_DEFAULT == ["easy_vqa", "lab", "sort_of_clevr"]


def test_the_halves_of_easy_vqa_are_the_whole_of_it() -> None:
    halves = EasyVQA().open(0, None), EasyVQA().open(0, None, sealed=True)
    everything = {item for whole, _ in halves for item in whole.items}
    assert {int(item.id.rpartition("-")[2]) for item in everything} == set(range(9_673))
    images = [{item.image.id for item in whole.items} for whole, _ in halves]
    assert [len(each) for each in images] == [500, 500] and not images[0] & images[1]
    assert [[len(suite.items) for suite in half] for half in halves] == [[4_842, 1_273], [4_831, 1_264]]


def test_sealed_items_of_drawn_suites_say_so() -> None:
    for name in ("lab/counting", "sort_of_clevr"):
        halves = open_suites([name], 0, 5), open_suites([name], 0, 5, sealed=True)
        said = [["sealed" in item.id for suite in half for item in suite.items] for half in halves]
        assert not any(said[0]) and all(said[1])


def test_seeds_of_the_lab_give_different_sealed_halves() -> None:
    drawn = [open_suites(["lab/color/clean"], seed, 20, sealed=True)[0] for seed in (0, 1)]
    drawn += [open_suites(["lab/color/clean"], seed, 20)[0] for seed in (0, 1)]
    for one, other in combinations(drawn, 2):
        assert not {item.image.data for item in one.items} & {item.image.data for item in other.items}


@pytest.mark.parametrize("source", [Mine(), "items.csv"])
def test_a_source_without_a_sealed_half_is_refused_in_one_line(source: SuiteSource | str) -> None:
    with pytest.raises(EvaluationError, match="has no sealed half; those that have one are easy_vqa, lab") as raised:
        open_suites([source], 0, sealed=True)
    assert "\n" not in str(raised.value)


def test_a_source_of_the_user_still_opens() -> None:
    [suite] = open_suites([Mine()], 0)
    assert suite.name == "mine"


def test_python_refuses_a_sealed_file(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="'file' has no sealed half"):
        evaluate("lab", data=tmp_path / "items.csv", sealed=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "lab", "--data", "items.csv", "--sealed", "--out", "o.json"],
        ["eval", "lab", "--tasks", "mmstar", "--sealed", "--out", "o"],
        ["compare", "lab", "lab", "--data", "items.csv", "--sealed"],
        ["compare", "a.json", "b.json", "--sealed"],
    ],
)
def test_sealed_needs_suites(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: --sealed is for --suites;") and error.count("\n") == 1


def test_a_report_says_which_half_it_is_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {}
    for half in ("open", "sealed"):
        out = tmp_path / f"{half}.json"
        flags = ["--sealed"] if half == "sealed" else []
        suites = ["--suites", "lab/color/clean", "sort_of_clevr", "--items", "2"]
        assert main(["eval", "lab", *suites, *flags, "--out", str(out)]) == 0
        assert json.loads(out.read_text())["sealed"] is (half == "sealed")
        results = Measurement.load(out.with_suffix(".answers.jsonl")).greedy.values()
        asked[half] = {mark.item_id for result in results for mark in result.answered}
        assert ("sealed half" in capsys.readouterr().out) is (half == "sealed")
    assert not asked["open"] & asked["sealed"]
    assert main(["compare", "lab", "lab", "--suites", "sort_of_clevr", "--items", "2", "--sealed"]) == 0
    assert "sort_of_clevr_relational" in capsys.readouterr().out
