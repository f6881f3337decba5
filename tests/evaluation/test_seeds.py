"""Runs side by side: every figure is one of the summaries' own, the mean is over runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from visplay.cli.main import main
from visplay.config import Settings, dump_settings
from visplay.errors import EvaluationError
from visplay.evaluation.seeds import seed_lines


def change(mean: float) -> dict[str, Any]:
    return {"difference": {"mean": mean, "ci95": [mean - 0.01, mean + 0.01]}}


def summary(mean: float, *, controls: bool = False) -> dict[str, Any]:
    suite = {"base": {"accuracy": 0.5}, "iterations": [change(0.9), change(mean)]}
    suites = {"easy_vqa": suite, "lab/color": suite, "lab/color/clean": suite}
    lead = {"easy_vqa": [change(0.9)["difference"], change(0.03)["difference"]]}
    control = {"suites": {"easy_vqa": suite}, "lead": lead}
    return {"suites": suites, "controls": {"random_reward": control} if controls else {}}


def test_last_iterations_stand_beside_their_mean() -> None:
    lines = list(seed_lines([summary(0.05), summary(0.07)]))
    assert [line.split()[0] for line in lines[1:]] == ["easy_vqa", "lab/color"]
    assert lines[1].split(maxsplit=1)[1] == "+5.0 [+4.0, +6.0]  +7.0 [+6.0, +8.0]  mean +6.0 [-6.7, +18.7]"


def test_controls_are_shown_where_every_run_has_them() -> None:
    assert not any("random" in line for line in seed_lines([summary(0.05, controls=True), summary(0.07)]))
    text = "\n".join(seed_lines([summary(0.05, controls=True)] * 2))
    assert "random_reward: change from the base\n  easy_vqa" in text
    assert "ahead of random_reward\n  easy_vqa             +3.0" in text


def test_without_a_base_there_is_nothing_to_compare() -> None:
    with pytest.raises(EvaluationError, match="nothing to compare"):
        list(seed_lines([{"suites": {"s": {"base": None, "iterations": []}}, "controls": {}}]))


def run(folder: Path, mean: float, **settings: Any) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(dump_settings(Settings(**settings)))
    (folder / "summary.json").write_text(json.dumps(summary(mean)))
    return folder


def test_the_verb_compares_seeds_in_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = run(tmp_path / "one", 0.05, seed=1), run(tmp_path / "two", 0.07, seed=2)
    told = {}
    for form in ([], ["--markdown"], ["--latex"], ["--json"]):
        assert main(["compare", str(one), str(two), *form]) == 0
        told["".join(form)] = capsys.readouterr().out
    assert "mean +6.0" in told[""]
    assert r"| easy\_vqa | +5.0 \[+4.0, +6.0\] | +7.0 \[+6.0, +8.0\] | +6.0 \[-6.7, +18.7\] |" in told["--markdown"]
    assert r"easy\_vqa & +5.0 [+4.0, +6.0] & +7.0 [+6.0, +8.0] & +6.0 [$-$6.7, +18.7] \\" in told["--latex"]
    found = json.loads(told["--json"])
    row = found["seeds"]["change from the base"]["easy_vqa"]
    assert found["names"] == [str(one), str(two)] and row["mean"] == pytest.approx(0.06) and row["seeds"] == 2
    assert [each["mean"] for each in row["each"]] == [0.05, 0.07]


def test_runs_that_are_not_finished_or_not_measured_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = run(tmp_path / "one", 0.05), run(tmp_path / "other", 0.05, iterations=2)
    unfinished = run(tmp_path / "unfinished", 0.05)
    (unfinished / "summary.json").unlink()
    for wrong, reason in (
        (other, "was not measured"),
        (unfinished, "no finished run"),
        (tmp_path / "none", "--suites"),
    ):
        assert main(["compare", str(one), str(wrong)]) == 2
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1
