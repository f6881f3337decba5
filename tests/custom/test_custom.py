"""Components of a user, one file each beside this one, in a short run that YAML describes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.cli.main import main
from visplay.config import load_settings
from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards
from visplay.interfaces.component import read_component

HERE = Path(__file__).parent
MODULES = ("brevity", "discs", "last_vote", "short_questions")
ADVANTAGES = "rl.advantages={type: custom, import_path: 'above_median:AboveMedian', size: 0.5}"


def stand_here(patch: pytest.MonkeyPatch) -> None:
    """Be in the folder of the modules, as their user is; what that adds to the path is taken back."""
    patch.setattr(sys, "path", [*sys.path])
    patch.chdir(HERE)


def evolve(run: Path, *changes: str) -> Path:
    settings = [argument for change in changes for argument in ("--set", change)]
    trusted = [f"--import={module}" for module in MODULES]
    assert main(["evolve", "--preset", str(HERE / "run.yaml"), "--out", str(run), *trusted, *settings]) == 0
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run of run.yaml, made where its modules are."""
    with pytest.MonkeyPatch.context() as patch:
        stand_here(patch)
        yield evolve(tmp_path_factory.mktemp("custom") / "run")


def asked(run: Path, phase: str) -> list[dict[str, Any]]:
    (file,) = (run / "asked").glob(f"*-{phase}-*.parquet")
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


def test_the_images_are_the_users(run: Path) -> None:
    images = {row["image"] for row in asked(run, "questioner") + asked(run, "silver")}
    assert 8 <= len(images) <= 10 and all(image.startswith("discs/") for image in images)


def test_the_questioner_earns_what_the_users_reward_gives(run: Path) -> None:
    rows = asked(run, "questioner")
    questions = [row for row in rows if row["type"] is not None]
    assert len(rows) == 12 and questions
    for row in rows:
        expected = 2 / len(row["question"].split()) if row["type"] is not None else 0
        assert (row["reward"], row["base_reward"]) == pytest.approx((expected, expected))


def test_silver_answers_are_the_users_labelers(run: Path) -> None:
    labelled = [row for row in asked(run, "silver") if row["answer"] is not None]
    assert labelled
    for row in labelled:
        assert row["answer"] == [vote for vote in row["votes"] if vote is not None][-1]
        assert (row["confidence"], len(row["votes"])) == (0.5, 3)


def test_the_silver_set_is_what_the_users_gate_keeps(run: Path) -> None:
    rows = [row for row in asked(run, "silver") if row["answer"] is not None]
    kept = {row["question"] for row in rows if row["kept"]}
    assert kept and all(len(question.split()) <= 5 for question in kept)
    rejected = [row for row in rows if not row["kept"]]
    assert {row["gate"] for row in rejected} == {"ShortQuestions"}
    assert all(row["reason"] == f"{len(row['question'].split())} words" for row in rejected)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (silver,) = (line for line in lines if line["phase"] == "silver")
    assert silver["dropped"] == {"ShortQuestions": len(rejected)}


def test_the_run_keeps_their_settings(run: Path) -> None:
    again, yaml = load_settings(str(run / "config.yaml")), load_settings(str(HERE / "run.yaml"))
    assert again == yaml
    assert again.questioner.reward.as_settings() == {"type": "custom", "import_path": "brevity:Brevity", "scale": 2.0}
    assert str(again.images) == "discs" and again.images.observer(0) is None


def test_the_trainer_uses_the_users_advantages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_here(monkeypatch)
    seen: list[list[tuple[float, ...]]] = []
    kind = type(read_component("advantages", {"type": "custom", "import_path": "above_median:AboveMedian"}))
    estimate = kind.estimate  # type: ignore[attr-defined]

    def watched(self: AdvantageEstimator, groups: list[GroupRewards]) -> list[tuple[float, ...]]:
        seen.append([group.rewards for group in groups])
        found: list[tuple[float, ...]] = estimate(self, groups)
        return found

    monkeypatch.setattr(kind, "estimate", watched)
    evolve(tmp_path / "run", ADVANTAGES)
    assert {len(rewards) for groups in seen for rewards in groups} == {4}


@given(st.lists(st.lists(st.floats(-2, 2), min_size=2, max_size=9).map(tuple), max_size=4))
def test_the_users_advantages_are_within_their_size(rewards: list[tuple[float, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stand_here(patch)
        estimator = read_component(
            "advantages", {"type": "custom", "import_path": "above_median:AboveMedian", "size": 0.5}
        )
    assert isinstance(estimator, AdvantageEstimator)
    found = estimator.estimate([GroupRewards(group) for group in rewards])
    assert [len(group) for group in found] == [len(group) for group in rewards]
    for group, advantages in zip(rewards, found, strict=True):
        signs = [(reward > median(group)) - (reward < median(group)) for reward in group]
        assert advantages == tuple(0.5 * sign for sign in signs)
