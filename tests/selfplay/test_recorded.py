"""What a real run leaves for people to look at: all that it asked, its metrics by documented names."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from visplay.cli.main import main
from visplay.report.gallery import Gallery, Query
from visplay.report.health import signs
from visplay.report.results_page import results_markdown
from visplay.report.run_data import RunView
from visplay.runs import read_metrics
from visplay.runs.trackers import scalars

ROOT = Path(__file__).parents[2]
SMALL = [
    *(
        "--preset=facts",
        "--images=lab/single",
        "--iterations=1",
        "--set=questioner.steps=1",
        "--set=questioner.images_per_step=2",
    ),
    *("--set=questioner.group_size=4", "--set=questioner.votes=2", "--set=silver.images=8", "--set=silver.votes=4"),
    *("--set=reasoner.steps=1", "--set=reasoner.questions_per_step=2", "--set=reasoner.group_size=2"),
    *("--set=acceptance.images=3", "--set=acceptance.votes=2", "--set=evaluation.suites=[lab/single]"),
    *("--set=evaluation.items_per_suite=2", "--set=evaluation.pass_k=0", "--set=evaluation.paper_comparison=2"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("recorded") / "run"
    assert main(["evolve", *SMALL, "--out", str(run)]) == 0
    return run


def test_the_record_is_what_the_metrics_count(finished: Path) -> None:
    gallery = Gallery(finished)
    lines = {(line["phase"], line["iteration"]): line for line in read_metrics(finished / "metrics.jsonl")}
    silver = gallery.find(Query(phase="silver", count=1000))["rows"]
    told = lines["silver", 1]
    assert (len(silver), sum(row["kept"] for row in silver)) == (told["asked"], told["kept"])
    gates = Counter(row["gate"] for row in silver if row["gate"])
    others = {"invalid": told["asked"] - told["valid"], "repeated": told["valid"] - told["candidates"]}
    assert gates == Counter({**told["dropped"], "unlabelled": told["unlabelled"], **others})
    assert len(gallery.texts(1)) == told["candidates"]
    asked = gallery.find(Query(phase="questioner", count=1000))["rows"]
    rewards = [row["reward"] for row in asked if row["reward"] is not None]
    assert len(asked) == len(rewards) == 8
    assert sum(rewards) / 8 == pytest.approx(lines["questioner", 1]["reward"])
    held = gallery.find(Query(phase="accept", count=1000))["rows"]
    assert {row["iteration"] for row in held} == {0, 1} and gallery.storied()


def test_the_parts_of_a_reward_come_to_the_reward(finished: Path) -> None:
    gallery = Gallery(finished)
    for row in gallery.find(Query(phase="questioner", count=1000))["rows"]:
        shown = gallery.item(row["id"])
        assert shown is not None
        penalties = shown["diversity_penalty"] + shown["history_penalty"]
        assert shown["reward"] == pytest.approx(max(0.0, shown["base_reward"] - penalties))
        assert (shown["base_reward"] == 0.0) or row["kept"]
        assert len(shown["votes"] or ()) == (2 if row["type"] else 0)


def test_answers_that_were_trained_on_are_recorded_with_their_rewards(finished: Path) -> None:
    gallery = Gallery(finished)
    learned = [line for line in read_metrics(finished / "metrics.jsonl") if line["phase"] == "reasoner"]
    rows = gallery.find(Query(phase="reasoner", count=1000))["rows"]
    assert learned and len(rows) == 2
    for row in rows:
        shown = gallery.item(row["id"])
        assert shown is not None and shown["kept"] is None and shown["gate"] is None
        assert len(shown["votes"]) == len(shown["reasoning"]) == len(shown["rewards"]) == len(shown["agrees"]) == 2
        assert shown["agrees"] == [reward == 1 for reward in shown["rewards"]], "rewarded for the silver answer"
        assert shown["reward"] == pytest.approx(sum(shown["rewards"]) / 2)
    assert sum(row["reward"] for row in rows) / 2 == pytest.approx(learned[0]["reward"])


def test_lists_that_the_labeler_read_are_recorded(finished: Path) -> None:
    gallery = Gallery(finished)
    rows = [gallery.item(row["id"]) for row in gallery.find(Query(phase="silver", count=1000))["rows"]]
    read = [row for row in rows if row and row["evidence"]]
    assert read and all(len(row["evidence"]) == len(row["findings"]) <= 4 for row in read)
    assert any(row["answer"] in row["findings"] for row in read if row["kept"])


def test_the_record_opens_as_a_data_set(finished: Path) -> None:
    rows = load_dataset("parquet", data_files=str(finished / "asked" / "*.parquet"), cache_dir=str(finished.parent))
    assert {row["phase"] for row in rows["train"]} == {"questioner", "silver", "reasoner"}


def test_every_metric_is_documented_and_told_to_tensorboard_by_that_name(finished: Path) -> None:
    documented = set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")))
    lines = read_metrics(finished / "metrics.jsonl")
    events = EventAccumulator(str(finished / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    for step, line in enumerate(lines, 1):
        values = {*line, *line["time"]} - {"phase", "iteration", "step", "time"}
        if line["phase"] != "measure":
            short = {name for name in values if name not in documented}
            assert short <= {"dropped", "tasks", "types"}, f"docs/metrics.md lacks {sorted(short)}"
        for name, value in scalars(line).items():
            found = [one.value for one in events.Scalars(name) if one.step == step]
            assert found == [pytest.approx(value, rel=1e-6)], name


def test_a_finished_run_is_seen_whole(finished: Path) -> None:
    page = RunView(finished).read()
    assert (page["status"]["state"], page["status"]["done"]) == ("finished", 1.0)
    assert page["suites"][0]["base"] is not None and len(page["suites"][0]["iterations"]) == 1
    text = results_markdown(page, signs(page, Gallery(finished).texts(1)))
    for part in (
        "# lab on lab/single, seed 0",
        "Finished after",
        "## Suites, greedy",
        "## Silver sets",
        "## Acceptance",
    ):
        assert part in text
    assert f"| 1 | {page['silver'][0]['asked']} | {page['silver'][0]['valid']} |" in text and str(finished) not in text
