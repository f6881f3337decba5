"""A matrix from file to table: what is wrong is found first, what is done stays done, figures are the runs' own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from visplay.cli.main import main
from visplay.config import dump_settings, load_settings
from visplay.errors import ConfigError
from visplay.evaluation.grading import Mark
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.evaluation.statistics import mean_over_seeds, paired_difference
from visplay.evaluation.summary import suites_summary
from visplay.evaluation.table import points
from visplay.labeling.gates import answered
from visplay.labeling.gates.band import Band
from visplay.labeling.labelers.facts import Facts
from visplay.labeling.labelers.majority import Majority
from visplay.selfplay.controls import changed, control_changes
from visplay.tools.ablation import Matrix, Run, ablation_figures, ablation_table, read_matrix, run_all

TINY = {
    "images": "easy-vqa",
    "iterations": 1,
    "questioner.steps": 0,
    "silver": {"images": 4, "votes": 2, "gates": [], "labeler": "majority"},
    "reasoner": {"steps": 1, "questions_per_step": 2, "group_size": 2},
    "evaluation": {"suites": ["easy_vqa"], "items_per_suite": 2, "sampled": False},
}


def write(folder: Path, **values: Any) -> Path:
    file = folder / "matrix.yaml"
    file.write_text(yaml.safe_dump({"seeds": [0], "recipes": {"default": {}}} | values, sort_keys=False))
    return file


def error(capsys: pytest.CaptureFixture[str], file: Path, out: Path) -> str:
    """The one line that a call with exit code 2 prints."""
    capsys.readouterr()
    assert main(["lab", "ablate", str(file), "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("visplay: ") and told.count("\n") == 1
    return told


# The file


def test_changes_are_merged_and_runs_go_seed_by_seed(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        preset="facts",
        seeds=[3, 1],
        settings={"rl.learning_rate": "3e-5", "silver": {"votes": 4}},
        recipes={
            "default": {},
            "plain": {"silver.labeler.augmentations": ["plain"], "silver": {"images": 7}},
        },
    )
    matrix = read_matrix(file)
    assert matrix.suites is None
    runs = matrix.runs(Path("out"))
    assert [str(run.path) for run in runs] == [
        "out/default/seed-3",
        "out/plain/seed-3",
        "out/default/seed-1",
        "out/plain/seed-1",
    ]
    assert [run.settings.seed for run in runs] == [3, 3, 1, 1]
    ours, plain = runs[0].settings, runs[1].settings
    assert ours.rl.learning_rate == 3e-5 and ours.silver.votes == plain.silver.votes == 4
    # What a section leaves out stays the preset's.
    assert plain.silver.labeler == Facts(augmentations=("plain",), lists=4) and plain.silver.images == 7
    assert plain.silver.gates == ours.silver.gates and ours.silver.images == 300


def test_a_component_is_replaced_as_a_whole_or_changed_in_one_setting(tmp_path: Path) -> None:
    gates = ["answered", {"type": "band", "low": 0.5, "high": 1.0}]
    file = write(
        tmp_path,
        settings={"silver.gates": gates, "silver": {"labeler": {"type": "facts", "lists": 2}}},
        recipes={
            "majority": {"silver.labeler": {"type": "majority", "augmentations": ["plain", "darker"]}},
            "narrow": {"silver.gates.band.low": 0.75, "silver": {"labeler": {"lists": 3}}},
            "as it is": {},
        },
    )
    majority, narrow, plain = (run.settings.silver for run in read_matrix(file).runs(Path("out")))
    assert majority.labeler == Majority(augmentations=("plain", "darker"))
    assert narrow.gates == (answered.Answered(), Band(low=0.75, high=1)) and narrow.labeler == Facts(lists=3)
    assert majority.gates == plain.gates == (answered.Answered(), Band(low=0.5, high=1)), "a recipe changes no other"
    assert plain.labeler == Facts(lists=2)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "docs" / "ablations").glob("*.yaml")))
def test_the_matrices_of_the_docs_are_valid(file: Path) -> None:
    assert len(read_matrix(file).recipes) > 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"speed": 1}, "speed: Extra inputs"),
        ({"seeds": []}, "seeds: "),
        ({"seeds": [0, 0]}, "a seed is there twice"),
        ({"seeds": [-1]}, "recipe 'default': preset default: seed: "),
        ({"recipes": {}}, "recipes: "),
        ({"recipes": {"a": {}, "last": {"silver.vote": 3}}}, "recipe 'last': preset default: silver.vote: Extra"),
        ({"recipes": {"a": {"iterations.more": 3}}}, "recipe 'a': 'iterations.more': 'iterations' is a value"),
        ({"recipes": {"a": {"silver.gates.new.low": 3}}}, "there is no 'new' in the list"),
        ({"recipes": {"a": {"silver": {"labeler": {"type": "oracle"}}}}}, "no labeler 'oracle'"),
        ({"recipes": {"a": {"silver.band_low": 0.5}}}, "silver.band_low is now silver.gates: [{type: band, low: …}]"),
        ({"recipes": {"a": {"seed": 3}}}, "listed under 'seeds'"),
        ({"recipes": {"a": {"control": "placebo"}}}, "recipe 'a': no control 'placebo'; choose from random_reward"),
        (
            {"settings": {"images": "photos"}, "recipes": {"a": {"control": "true_labels"}}},
            "recipe 'a': control true_labels: the truth of photos is not known",
        ),
        (
            {"recipes": {"plain augmentations": {}, "plain/augmentations": {}}},
            "two recipes would share a folder",
        ),
        ({"recipes": {"a": {}, "b": {"evaluation.items_per_suite": 2}}}, "recipe 'b' is evaluated in another way"),
        ({"settings": {"evaluation.before": False}}, "evaluation.before"),
        ({"settings": {"evaluation.suites": ["imagenet"]}}, "imagenet"),
        ({"suites": ["lab/single", "lab/cubism"]}, "'lab/cubism' is not measured"),
        ({"preset": "best"}, "no preset 'best'"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_starts(
    values: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in error(capsys, write(tmp_path, **values), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: [0", "not valid YAML"),
        ("- 0", "valid dictionary"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_is_no_matrix_is_one_line(text: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "matrix.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_matrix(file)


def test_no_process_is_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "ablate", str(write(tmp_path)), "--out", str(tmp_path / "out"), "--processes", "0"]) == 2
    assert "--processes" in capsys.readouterr().err


# The runs


@pytest.mark.long
def test_runs_go_on_are_left_alone_and_refuse_other_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes: dict[str, Any] = {"default": {}, "no images": {"images": str(tmp_path / "gone")}, "a | b": {}}
    file, out = write(tmp_path, settings=TINY, recipes=recipes, suites=["easy_vqa"]), tmp_path / "out"
    begun = read_matrix(file).runs(out)[2]
    begun.path.mkdir(parents=True)
    (begun.path / "config.yaml").write_text(dump_settings(begun.settings))
    call = ["lab", "ablate", str(file), "--out", str(out), "--processes", "1"]
    assert main(call) == 1
    told = capsys.readouterr().out
    assert "default, seed 0: begins, 3 left" in told and "default, seed 0: finished, 2 left" in told
    assert "a | b, seed 0: goes on, 1 left" in told and "a | b, seed 0: finished, 0 left" in told
    failed = next(line for line in told.splitlines() if "failed" in line)
    assert failed.startswith("no images, seed 0: failed (") and "gone" in failed and failed.endswith(", 1 left")
    assert str(out / "no-images" / "seed-0.log") in failed

    table = (out / "table.md").read_text()
    assert table in told and r"| easy\_vqa | default | 1 | 2 |" in table
    assert r"| easy\_vqa | a \| b | 1 | 2 |" in table and "no images" not in table
    figures = json.loads((out / "table.json").read_text())
    # The same settings and seed are the same run.
    lead = row_of(figures, "a | b", "easy_vqa")["lead"]
    assert (lead["mean"], lead["seeds"]) == (0, [0]) and lead["ci95"][0] == -lead["ci95"][1] < 0
    (silver,) = silver_of(figures, "default")
    assert silver["seeds"] == [0] and silver["asked"] > 0

    del recipes["no images"]
    write(tmp_path, settings=TINY, recipes=recipes, suites=["easy_vqa"])
    logs = {log: log.read_bytes() for log in out.rglob("*.log")}
    assert main(call) == 0
    again = capsys.readouterr().out
    assert "2 of 2 runs are finished already" in again and "begins" not in again and table in again
    assert {log: log.read_bytes() for log in out.rglob("*.log")} == logs

    write(tmp_path, settings=TINY, recipes={"default": {"reasoner.steps": 2}, "new": {}})
    assert "another reasoner.steps than the matrix says" in error(capsys, file, out)
    assert not (out / "new").exists()


def test_no_process_outlives_an_interruption(tmp_path: Path) -> None:
    (run,) = read_matrix(write(tmp_path, settings=TINY)).runs(tmp_path)
    run.path.parent.mkdir()
    handler = signal.getsignal(signal.SIGTERM)
    events = run_all([run, replace(run, path=tmp_path / "default" / "seed-1")], 1)
    assert next(events) == (run, "begins")
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with pytest.raises(SystemExit):
        next(events)
    timer.join()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert str(run.path) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


# The figures


def marks(suite: str, right: set[int], n: int = 4) -> SuiteResult:
    return SuiteResult(suite, tuple(Mark(f"{suite}/{i}", None, i in right, True) for i in range(n)))


def measured(pastel: set[int], clean: set[int]) -> Measurement:
    results = (marks("lab/single/pastel", pastel), marks("lab/single/clean", clean))
    return Measurement({"greedy": {result.name: result for result in results}})


BASE = measured({0}, set())


def finish(run: Run, *iterations: Measurement, **silver: float | None) -> None:
    folder = run.path / "measurements"
    folder.mkdir(parents=True)
    for number, measurement in enumerate((BASE, *iterations)):
        measurement.save(folder / f"iteration-{number}.jsonl")
    summary = {"suites": suites_summary(BASE, iterations), "silver": [silver]}
    (run.path / "summary.json").write_text(json.dumps(summary))


def row_of(figures: dict[str, Any], recipe: str, suite: str = "lab/single") -> dict[str, Any]:
    (row,) = (row for row in figures["suites"] if (row["suite"], row["recipe"]) == (suite, recipe))
    return row


def silver_of(figures: dict[str, Any], recipe: str) -> list[dict[str, Any]]:
    return [row for row in figures["silver"] if row["recipe"] == recipe]


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    values = {"seeds": [0, 1, 2], "recipes": {"a": {}, "b": {}}}
    return read_matrix(write(tmp_path, **values))


def test_figures_are_those_of_the_marks(matrix: Matrix, tmp_path: Path) -> None:
    runs = {(run.recipe, run.settings.seed): run for run in matrix.runs(tmp_path)}
    # Of eight items the base has one; `a` ends with 2, 3 and 3 of them, `b` with 4 and 3.
    finish(runs["a", 0], measured({0, 1}, {0, 1}), measured({0, 1}, set()), asked=8, kept=4, label_accuracy=0.5)
    finish(runs["a", 1], measured({0, 1}, {0}), asked=8, kept=5, label_accuracy=None)
    finish(runs["a", 2], measured({0, 1}, {0}), asked=8, kept=3, label_accuracy=0.7)
    finish(runs["b", 0], measured({0, 1}, {0, 1}), asked=8, kept=2, label_accuracy=1.0)
    finish(runs["b", 1], measured({0}, {1, 2}), asked=8, kept=2, label_accuracy=1.0)
    figures = ablation_figures(matrix, list(runs.values()))

    assert {row["suite"] for row in figures["suites"]} == {"lab/single"}
    a, b = row_of(figures, "a"), row_of(figures, "b")
    changes, leads = mean_over_seeds([1 / 8, 2 / 8, 2 / 8]), mean_over_seeds([2 / 8, 0.0])
    assert changes.ci95 is not None and leads.ci95 is not None
    assert a["items"] == 8 and a["lead"] is None
    assert a["change"] == {"mean": changes.mean, "ci95": pytest.approx(list(changes.ci95)), "seeds": [0, 1, 2]}
    assert b["lead"] == {"mean": leads.mean, "ci95": pytest.approx(list(leads.ci95)), "seeds": [0, 1]}
    # By hand: twelve points and a half either way, times Student's 12.706 for one degree of freedom.
    assert b["lead"]["ci95"] == pytest.approx([0.125 - 0.125 * 12.7062, 0.125 + 0.125 * 12.7062], abs=1e-4)
    (silver,) = silver_of(figures, "a")
    assert silver == {
        **{"recipe": "a", "iteration": 1, "seeds": [0, 1, 2], "asked": 8, "kept": 4},
        **{"label_accuracy": pytest.approx(0.6), "answerable": None, "reward_accuracy": None},
    }

    table = ablation_table(figures)
    assert "| suite | recipe | seeds | items | change from the base | ahead of a |" in table
    assert r"| lab/single | a | 3 | 8 | +20.8 \[+2.9, +38.8\] |  |" in table
    assert r"| lab/single | b | 2 | 8 | +31.2 \[-48.2, +110.7\] | +12.5 \[-146.3, +171.3\] |" in table
    assert "| a | 1 | 3 | 8 | 4 | 0.600 |  |" in table


def test_one_seed_has_the_interval_of_its_items(matrix: Matrix, tmp_path: Path) -> None:
    runs = {(run.recipe, run.settings.seed): run for run in matrix.runs(tmp_path)}
    ours, theirs = measured({0, 1}, {0}), measured({0, 2}, set())
    finish(runs["a", 0], theirs)
    finish(runs["b", 0], ours)
    finish(runs["b", 1], ours)
    finish(runs["b", 2], ours)
    figures = ablation_figures(matrix, list(runs.values()))
    b = row_of(figures, "b")
    by_item = [{mark.item_id: mark.correct for r in m.greedy.values() for mark in r.answered} for m in (theirs, ours)]
    expected = paired_difference(*by_item, {})
    assert expected.mean == 1 / 8 and expected.ci95.low < 0 < expected.ci95.high
    assert b["lead"] == {"mean": expected.mean, "ci95": list(expected.ci95), "seeds": [0]}
    told = points(expected.mean, expected.ci95).replace("[", r"\[").replace("]", r"\]")
    assert f"{told} (1 of 3 seeds) |" in ablation_table(figures)


def test_nobody_leads_over_a_recipe_without_a_run(matrix: Matrix, tmp_path: Path) -> None:
    run = next(run for run in matrix.runs(tmp_path) if run.recipe == "b")
    finish(run, measured({0, 1}, {0}))
    figures = ablation_figures(matrix, matrix.runs(tmp_path))
    assert row_of(figures, "b")["lead"] is None and not silver_of(figures, "a")


def test_looks_are_reported_when_named(tmp_path: Path) -> None:
    matrix = read_matrix(write(tmp_path, suites=["lab/single/pastel", "lab/single"]))
    (run,) = matrix.runs(tmp_path)
    finish(run, measured({0, 1}, {0}))
    suites = ablation_figures(matrix, [run])["suites"]
    assert {row["suite"]: row["change"]["mean"] for row in suites} == {
        "lab/single/pastel": 1 / 4,
        "lab/single": 2 / 8,
    }


def test_a_recipe_can_be_a_control_of_its_own_settings(tmp_path: Path) -> None:
    recipes = {
        "default": {},
        "bank": {"control": "no_questioner"},
        "ceiling": {"control": "true_labels", "reasoner.steps": 3},
    }
    ours, bank, ceiling = read_matrix(write(tmp_path, recipes=recipes)).runs(tmp_path)
    assert bank.settings == changed(ours.settings, control_changes("no_questioner", ours.settings), "here")
    assert len(bank.settings.questioner.bank) >= 12 and ceiling.settings.reasoner.steps == 3
    assert ceiling.settings.silver.labeler.name == "true_answers"
    for run in (bank, ceiling):
        # What the process of the run is told gives the same settings.
        told = [flag.removeprefix("--set=") for flag in run.flags if flag.startswith("--set=")]
        assert load_settings("default", told, {"seed": 0}) == run.settings


def test_a_recipe_can_have_a_preset_of_its_own(tmp_path: Path) -> None:
    recipes = {
        "ours": {},
        "theirs": {"preset": "paper-lab"},
        "bank": {"preset": "paper-lab", "control": "no_questioner"},
    }
    file = write(tmp_path, preset="votes", recipes=recipes)
    ours, theirs, bank = read_matrix(file).runs(tmp_path)
    votes, paper = load_settings("votes"), load_settings("paper-lab")
    assert ours.settings.silver == votes.silver != paper.silver == theirs.settings.silver == bank.settings.silver
    assert theirs.flags[:2] == bank.flags[:2] == ("--preset", "paper-lab") and ours.flags[:2] == ("--preset", "votes")
    assert bank.settings == changed(theirs.settings, control_changes("no_questioner", theirs.settings), "here")


def test_the_share_of_the_gap_is_that_of_the_seeds_of_both(tmp_path: Path) -> None:
    recipes = {"ours": {}, "true labels": {"control": "true_labels"}}
    matrix = read_matrix(write(tmp_path, seeds=[0, 1, 2], recipes=recipes))
    runs = {(run.recipe, run.settings.seed): run for run in matrix.runs(tmp_path)}
    # Of eight items the base has one; the ceiling ends with 5 and 3 of them, the recipe with 3, 2 and 8.
    finish(runs["true labels", 0], measured({0, 1, 2}, {0, 1}))
    finish(runs["true labels", 1], measured({0, 1, 2}, set()))
    finish(runs["ours", 0], measured({0, 1}, {0}))
    finish(runs["ours", 1], measured({0, 1}, set()))
    finish(runs["ours", 2], measured({0, 1, 2, 3}, {0, 1, 2, 3}))
    figures = ablation_figures(matrix, list(runs.values()))
    assert row_of(figures, "ours")["gap_closed"] == pytest.approx((2 + 1) / (4 + 2))
    assert row_of(figures, "true labels")["gap_closed"] == 1.0
    table = ablation_table(figures)
    assert "| ahead of ours | share of the gap to true labels |" in table and "| 0.50 |" in table


@pytest.mark.parametrize(
    "recipe",
    [
        "\"silver.labeler={type: custom, import_path: 'planted_matrix:A'} #\": 1",
        "\"silver.labeler={type: custom, import_path: 'planted_matrix:A'}\\n#\": 1",
        "silver: {\"labeler={type: custom, import_path: 'planted_matrix:A'} #\": 1}",
        "silver.gates: !!set {x}",
        "silver.gates: !!binary aGVsbG8=",
    ],
)
def test_a_key_or_value_that_is_none_of_a_setting_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    (tmp_path / "planted_matrix.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(f"seeds: [0]\nrecipes:\n  a:\n    {recipe}\n")
    with pytest.raises(ConfigError, match=r"is no name of a setting|the value is none that a setting has"):
        read_matrix(tmp_path / "m.yaml")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "docs" / "ablations").glob("*.yaml")), ids=lambda file: file.stem
)
def test_every_matrix_of_the_docs_can_be_run(file: Path, tmp_path: Path) -> None:
    runs = read_matrix(file).runs(tmp_path)
    of_seed_0 = [str(run.settings) for run in runs if run.settings.seed == 0]
    assert len(set(of_seed_0)) == len(of_seed_0) > 1, "no recipe equals another one"
