"""Controls: what each changes, which apply, and that each runs; true labels are true, a bank asks its questions."""

from __future__ import annotations

import io
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.tiny_runs import TINY
from visplay.cli.main import main
from visplay.config import Settings, dump_settings, load_settings
from visplay.errors import ConfigError
from visplay.evaluation.results import run_measurements
from visplay.evaluation.summary import gap_closed
from visplay.lab.drawings import drawings
from visplay.lab.language import read
from visplay.lab.observer import LabObserver
from visplay.lab.suites.tasks import lab_suites
from visplay.lab.truth import Truth, known_scene
from visplay.labeling.labelers.facts import Facts
from visplay.labeling.labelers.majority import Majority
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.controls import CONTROLS, changed, control_changes, control_names
from visplay.selfplay.run import evolve, run_evolution

BANKS = resources.files("visplay.selfplay") / "banks"
VIEWS = ("plain", "smaller", "larger", "darker", "brighter")


def lines_of(bank: str) -> list[str]:
    return (BANKS / bank).read_text(encoding="utf-8").splitlines()


def default(*overrides: str, images: str = "lab/single") -> Settings:
    return load_settings("facts", overrides, {"images": images})


def control(name: str, settings: Settings) -> Settings:
    return changed(settings, control_changes(name, settings), name)


# What each changes


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_of_the_default_differs_only_where_it_says_and_is_read_back(name: str, tmp_path: Path) -> None:
    run = default()
    settings = control(name, run)
    (tmp_path / "config.yaml").write_text(dump_settings(settings))
    assert load_settings(str(tmp_path / "config.yaml")) == settings != run
    sections = {key.partition(".")[0] for key in control_changes(name, run)}
    differing = {key for key, value in run if value != getattr(settings, key)}
    assert differing <= sections | {"acceptance"} and "acceptance" in differing
    for phase in ("silver", "reasoner"):
        steps = {"images", "votes", "questions_per_image", "steps", "group_size", "questions_per_step"}
        ours, theirs = (getattr(one, phase).model_dump(include=steps) for one in (run, settings))
        assert ours == theirs, "the budget is the run's"


def test_the_ceiling_has_true_labels_and_the_runs_own_questioner() -> None:
    run = default()
    settings = control("true_labels", run)
    assert settings.silver.labeler.name == "true_answers" and settings.silver.gates == ()
    assert settings.questioner == run.questioner.model_copy(update={"labeler": run.silver.labeler})


def test_sft_is_the_reasoners_alone() -> None:
    settings = control("sft", default())
    assert settings.reasoner.advantages is not None and settings.reasoner.advantages.name == "right_only"
    assert settings.rl == default().rl


def test_neutral_views_reach_every_labeler_that_has_views() -> None:
    settings = control("neutral_views", default("questioner.labeler=majority"))
    assert settings.silver.labeler == Facts(augmentations=VIEWS)
    assert settings.questioner.labeler == Majority(augmentations=VIEWS)
    assert settings.reasoner.augmentations == VIEWS


def test_the_bank_of_a_control_suits_the_images() -> None:
    lab, photos = (control("no_questioner", default(images=images)) for images in ("lab/single", "photos"))
    assert lab.questioner.bank == tuple(lines_of("lab.txt")) and lab.questioner.steps == 0
    assert photos.questioner.bank == tuple(lines_of("photos.txt"))


@pytest.mark.parametrize("bank", ["lab.txt", "photos.txt"])
def test_a_bank_has_a_dozen_different_questions_of_which_the_labs_are_in_its_language(bank: str) -> None:
    questions = lines_of(bank)
    assert len(questions) == len({question.lower() for question in questions}) >= 12
    assert all(question == question.strip() and question.endswith("?") for question in questions)
    if bank == "lab.txt":
        assert all(read(question) is not None for question in questions)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("true_labels", default(images="photos"), "the truth of photos is not known"),
        ("neutral_views", load_settings("paper-lab"), "the run has plain images alone"),
        ("untrained_questioner", default("questioner.steps=0"), "it equals the run"),
        ("random_reward", default("questioner.reward=random", "reasoner.reward=random"), "it equals the run"),
        ("sft", default("reasoner.advantages=right_only"), "it equals the run"),
        ("no_questioner", default("questioner.steps=0", 'questioner.bank=["is there a circle?"]'), "of a bank itself"),
        ("no_training", default(), "no control 'no_training'; choose from random_reward, "),
    ],
)
def test_a_control_that_says_nothing_new_does_not_apply(name: str, settings: Settings, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        control_changes(name, settings)
    assert "\n" not in str(raised.value)


def test_controls_are_all_some_or_none() -> None:
    assert control_names(True) == tuple(CONTROLS) and control_names(False) == control_names([]) == ()
    assert control_names(["sft", "true_labels", "sft"]) == ("sft", "true_labels")


# A bank


def test_a_bank_is_a_list_or_a_file_and_is_not_trained(tmp_path: Path) -> None:
    file = tmp_path / "bank.txt"
    file.write_text("is there a cat?\n\n  how many cats are there?\nis there a cat?\n")
    bank = load_settings("paper-lab", ["questioner.steps=0", f"questioner.bank={file}"]).questioner.bank
    assert bank == ("is there a cat?", "how many cats are there?")
    for overrides, reason in [
        ([f"questioner.bank={file}"], "questioner: a bank of questions is not trained; set steps to 0"),
        (["questioner.bank=gone.txt", "questioner.steps=0"], "questioner.bank: cannot read gone.txt as UTF-8 text"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            load_settings("paper-lab", overrides)
    file.write_text(" \n")
    with pytest.raises(ConfigError, match="has no question"):
        load_settings("paper-lab", ["questioner.steps=0", f"questioner.bank={file}"])


def test_true_answers_are_refused_for_other_images_before_anything_is_opened() -> None:
    with pytest.raises(ConfigError, match=r"labeler 'true_answers' needs images whose truth is known.*: photos$"):
        load_settings("facts", ["silver.labeler=true_answers"], {"images": "photos"})


# Runs


def tiny(folder: Path, settings: Settings) -> list[dict[str, Any]]:
    """The metrics of a tiny run on sixteen drawings whose truth is observed."""
    suites = tuple(lab_suites(0, 2, ["color"], ["pastel"]))
    inputs = RunInputs(drawings("clean", 16, 0)[0], suites, LabObserver(Truth(known_scene)))
    with RunDirectory.create(folder, settings) as run:
        run_evolution(run, inputs, Console(quiet=True))
    return list(read_metrics(folder / "metrics.jsonl"))


def of(phase: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["phase"] == phase]


RUN = load_settings(
    "paper-lab",
    [*TINY, "reasoner.reward=silver", "silver.questions_per_image=3", "reasoner.augmentations=[plain, darker]"],
    {"images": "lab/clean"},
)


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_runs(name: str, tmp_path: Path) -> None:
    settings = control(name, RUN)
    lines = tiny(tmp_path / "run", settings)
    (silver,), steps = of("silver", lines), of("reasoner", lines)
    assert silver["kept"] and len(steps) == settings.reasoner.steps
    assert len(of("questioner", lines)) == (0 if name in ("no_questioner", "untrained_questioner") else 1)
    assert all(0 <= line[key] <= 1 for line in steps for key in ("reward_accuracy", "label_accuracy"))
    kept = json.loads((tmp_path / "run" / "summary.json").read_text())["silver"][0]
    assert kept["reward_accuracy"] == pytest.approx(sum(line["reward_accuracy"] for line in steps) / len(steps))

    asked = [path for path in sorted((tmp_path / "run" / "asked").iterdir()) if "silver" in path.name]
    rows = [row for path in asked for row in pq.read_table(path).to_pylist()]
    if name == "true_labels":
        assert silver["label_accuracy"] == 1.0 and silver["kept"] == silver["candidates"] - silver["unlabelled"]
        assert all(line["label_accuracy"] == line["reward_accuracy"] == 1.0 for line in steps)
        assert all(row["confidence"] == 1.0 and row["votes"] for row in rows if row["kept"])
    if name == "no_questioner":
        assert {row["question"] for row in rows} <= set(lines_of("lab.txt"))
        by_image = {image: {r["question"] for r in rows if r["image"] == image} for image in {r["image"] for r in rows}}
        assert len(by_image) == 4 and {len(asked) for asked in by_image.values()} == {3}
        assert len({frozenset(asked) for asked in by_image.values()}) > 1, "each image draws its own"
        assert (silver["asked"], silver["valid"], silver["candidates"]) == (12, 12, 12)


def test_acceptance_asks_a_bank_the_same_questions_each_time(tmp_path: Path) -> None:
    bank = 'questioner.bank=["is there a red circle?", "how many shapes are there?", "is there a cross?"]'
    judged = ["iterations=2", "questioner.steps=0", bank, "acceptance.images=3", "acceptance.votes=2"]
    lines = tiny(tmp_path / "run", load_settings("paper-lab", [*TINY, *judged], {"images": "lab/clean"}))
    base, *verdicts = of("accept", lines)
    assert base["frozen_questions"] > 0 and verdicts
    files = sorted((tmp_path / "run" / "acceptance" / "asked").iterdir())
    first, *others = [[(r["id"], r["question"]) for r in pq.read_table(file).to_pylist()] for file in files]
    assert len(first) == 6 and all(other == first for other in others) and len(others) == len(verdicts)
    assert all(-1 <= line["asking_change"] <= 1 for line in verdicts)
    silver = [pq.read_table(tmp_path / "run" / "asked" / f"{t}-silver-0.parquet").to_pylist() for t in (1, 2)]
    assert {row["id"] for row in silver[0]}.isdisjoint(row["id"] for row in silver[1])


def test_named_controls_run_beside_a_run_with_their_lead_and_the_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [
        f"--set={change}" for change in [*TINY, "evaluation.suites=[lab/color/pastel]", "evaluation.items_per_suite=8"]
    ]
    call = ["evolve", "--preset", "paper-lab", *changes, "--images", "lab/single", "--out", str(tmp_path / "run")]
    assert main([*call, "--controls", "true_labels", "neutral_views"]) == 0
    told = capsys.readouterr().out
    assert "Left out: control neutral_views: the run has plain images alone" in told
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    ceiling = summary["controls"].pop("true_labels")
    assert summary["controls"] == {} and ceiling["silver"][0]["label_accuracy"] == 1.0
    (base, (ours,)), (_, (theirs,)) = (
        run_measurements(folder) for folder in (tmp_path / "run", tmp_path / "run" / "controls" / "true_labels")
    )
    assert base is not None
    name = "lab/color/pastel"
    before, after, most = (one.greedy[name].correct for one in (base, ours, theirs))
    expected = (after - before) / (most - before) if most > before else None
    assert ceiling["gap_closed"] == {"lab/color": expected, name: expected}
    assert f"share of the gap to true_labels that is closed:\n  {name}" not in told
    assert "share of the gap to true_labels that is closed:\n  lab/color: " in told


def test_an_unknown_control_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no control 'placebo'; choose from random_reward"):
        evolve(RUN, tmp_path / "run", controls=["placebo"], console=Console(file=io.StringIO()))
    assert not (tmp_path / "run").exists()


def summary_of(*changes: float, accepted: int | None = None) -> dict[str, Any]:
    iterations = [{"difference": {"mean": change, "ci95": [change, change]}} for change in changes]
    verdicts = [] if accepted is None else [{"selected_iteration": accepted}]
    return {"suites": {"a": {"base": {"accuracy": 0.5}, "iterations": iterations}}, "acceptance": verdicts}


@pytest.mark.parametrize(
    ("ours", "ceiling", "closed"),
    [
        (summary_of(0.1, 0.15), summary_of(0.1, 0.2), 0.75),
        (summary_of(0.1, -0.3, accepted=1), summary_of(0.2, 0.4), 0.25),
        (summary_of(-0.1, accepted=0), summary_of(0.2), 0.0),
        (summary_of(-0.1), summary_of(0.2), -0.5),
        (summary_of(0.1), summary_of(0.0), None),
        (summary_of(0.1), summary_of(-0.1), None),
    ],
)
def test_the_gap_is_what_is_handed_over_against_what_true_labels_gain(
    ours: dict[str, Any], ceiling: dict[str, Any], closed: float | None
) -> None:
    assert gap_closed(ours, ceiling) == {"a": None if closed is None else pytest.approx(closed)}
