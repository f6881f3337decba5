"""Runs, models and reports side by side: what is paired, over how many items, and how it is written down."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat_server import ChatServer, serving
from visplay.cli.main import main
from visplay.config import Settings, dump_settings
from visplay.errors import EvaluationError
from visplay.evaluation.compare import compare, compare_seeds, comparison_table, seed_tables
from visplay.evaluation.grading import Mark
from visplay.evaluation.results import Measurement, Results, SuiteResult
from visplay.evaluation.statistics import paired_difference
from visplay.evaluation.table import Table

REPORT = "scores.json"


def result(name: str, right: Sequence[int], of: Sequence[int], seed: int = 0, question: str = "?") -> SuiteResult:
    marks = [Mark(f"{name}/{seed}/{n}", None, n in right, True, question=question, reference="r") for n in of]
    return SuiteResult(name, tuple(marks))


def contender(*results: SuiteResult) -> Results:
    return {one.name: one for one in results}


def test_a_difference_is_paired_over_what_both_were_asked() -> None:
    first = contender(result("s", range(5), range(20)), result("t", range(9), range(10)))
    second = contender(result("s", range(12), range(8, 30)), result("t", range(4), range(10)))
    found = compare(["a", "b"], [first, second])
    s, t, (_, mean) = found["suites"]["s"], found["suites"]["t"], found["mean"]["differences"]
    before, after = first["s"].marks(), second["s"].marks()
    both = [item for item in before if item in after]
    expected = paired_difference({i: before[i] for i in both}, {i: after[i] for i in both}, {})
    assert s["differences"] == [None, asdict(expected)] and expected.n == len(both) == 12
    assert [m["n"] for m in s["measured"]] == [20, 22] and t["differences"][1]["mean"] == pytest.approx(-0.5)
    assert mean["mean"] == pytest.approx((expected.mean - 0.5) / 2) and mean["n"] == 22
    assert found["mean"]["measured"][0]["accuracy"] == pytest.approx((5 / 20 + 9 / 10) / 2)
    json.dumps(found, allow_nan=False)


def test_items_of_another_seed_or_another_question_do_not_coincide() -> None:
    first = contender(result("s", range(5), range(20)))
    for other in (result("s", (), range(20), seed=1), result("s", (), range(20), question="!")):
        found = compare("ab", [first, contender(other)])
        assert found["suites"]["s"]["differences"] == found["mean"]["differences"] == [None, None]
        assert "no item in common" in comparison_table(found, "AB").rows[0]


def test_suites_that_not_all_have_are_named_and_none_in_common_is_one_line() -> None:
    s, t, u = (result(name, range(3), range(6)) for name in "stu")
    found = compare("abc", [contender(s, t), contender(t, s, u), contender(t)])
    assert list(found["suites"]) == ["t"] and found["left_out"] == ["s", "u"]
    sheet = comparison_table(found, found["names"])
    assert sheet.columns == ("suite", "a", "b", "b − a", "c", "c − a") and "left out: s, u." in sheet.note
    assert [len(row) for row in sheet.rows] == [6], "a mean of one suite says nothing new"
    with pytest.raises(EvaluationError, match=re.escape("no suite in common (a: s; b: t)")) as error:
        compare("ab", [contender(s), contender(t)])
    assert "\n" not in str(error.value)
    with pytest.raises(EvaluationError, match="at least two"):
        compare("a", [contender(s)])


def test_a_suite_that_is_part_of_another_counts_once_in_the_mean() -> None:
    whole = result("whole", range(5), range(10))
    part = SuiteResult("part", whole.answered[:5])
    found = compare("ab", [contender(whole, part), contender(whole, part)])
    mean = found["mean"]["measured"][0]
    assert len(found["suites"]) == 2 and mean["accuracy"] == pytest.approx(0.5) and mean["n"] == 10


@given(st.text(max_size=30))
def test_any_name_stays_within_its_cell(name: str) -> None:
    sheet = Table("", ("suite", name), ((name, "-1.0 [-2.0, +0.5] *"),), "")
    text = sheet.markdown()
    lines = text.split("\n")
    assert len(lines) == 3 and all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3 for line in lines)
    body = sheet.latex().split("\n")
    assert len(body) == 11
    row = body[6]
    assert row.endswith(r" & $-$1.0 [$-$2.0, +0.5] \textsuperscript{*} \\")
    bare = re.sub(r"\\[{}&$#_%\\]|\\text[a-z]+|\$-\$", "", row)
    assert bare.count("&") == 1 and bare.count("{") == bare.count("}") and not re.search(r"[$#_%^~]", bare)


def finished(folder: Path, measured: Measurement, **settings: Any) -> Path:
    """A run that handed over its first iteration, as one leaves it."""
    (folder / "measurements").mkdir(parents=True)
    (folder / "config.yaml").write_text(dump_settings(Settings(**settings)))
    verdicts = [{"accepted": True, "selected_iteration": 1}, {"accepted": False, "selected_iteration": 1}]
    (folder / "summary.json").write_text(json.dumps({"suites": {}, "controls": {}, "acceptance": verdicts}))
    measured.save(folder / "measurements" / "iteration-1.jsonl")
    Measurement({"greedy": {"s": result("s", (), range(99))}}).save(folder / "measurements" / "iteration-2.jsonl")
    return folder


def test_the_verb_sets_runs_and_reports_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = finished(tmp_path / "one", Measurement({"greedy": {"s": result("s", range(5), range(20))}}))
    two = finished(tmp_path / "two", Measurement({"greedy": {"s": result("s", range(15), range(20))}}), iterations=2)
    report = tmp_path / REPORT
    report.write_text("{}")
    Measurement({"greedy": {"s": result("s", range(12), range(12))}}).save(report.with_suffix(".answers.jsonl"))
    names = [str(one), str(two), str(report)]
    assert main(["compare", *names]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"A  {one}\nB  {two}\nC  {report}\n") and "+50.0 [" in told and "* of 20" in told
    assert "25.0 [11.2, 46.9] of 20" in told and "* of 12" in told
    assert main(["compare", *names, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["names"] == names and [m["n"] for m in figures["suites"]["s"]["measured"]] == [20, 20, 12]
    for form, begins in (("--markdown", "| suite | "), ("--latex", "\\begin{table}")):
        assert main(["compare", *names, form]) == 0
        assert capsys.readouterr().out.startswith(begins)

    report.with_suffix(".answers.jsonl").write_text("{}\n")
    (tmp_path / "alone.json").write_text("{}")
    for wrong, said in ((report, "no file of answers"), (tmp_path / "alone.json", "no answers beside it")):
        assert main(["compare", str(one), str(wrong)]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


def test_the_verb_scores_models_on_the_spot_and_pairs_them_with_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--suites", "lab/single/pastel", "--items", "4"]
    report = tmp_path / REPORT
    assert main(["eval", "lab", *asked, "--out", str(report)]) == 0
    capsys.readouterr()
    assert main(["compare", "lab", str(report), "--suites", "lab/single/pastel", "--items", "3", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)["suites"]["lab/single"]
    assert [m["n"] for m in line["measured"]] == [3, 4]
    low, high = line["differences"][1].pop("ci95")
    assert line["differences"][1] == {"mean": 0.0, "p_mcnemar": 1.0, "n": 3} and low == -high < 0
    for arguments, said in (
        (["lab", str(report)], "--suites or --data"),
        (["lab", "lab", "--suites", "imagenet"], "imagenet"),
        (["lab", "lab", "--suites", "lab/single", "--items", "0"], "--items"),
        (["./no-model", "lab", *asked], "no-model"),
        ([str(report)], "at least two"),
    ):
        assert main(["compare", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1, error


def test_settings_hold_for_all_that_is_scored_and_leave_reports_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--suites", "lab/single/pastel", "--items", "4"]
    report = tmp_path / REPORT
    assert main(["eval", "lab", *asked, "--out", str(report)]) == 0
    with serving(ChatServer()) as server:
        server.say = lambda body, index: "no answer"
        flags = ["--set", "vote_engine=server", "--set", f"vote_engine.url={server.url}"]
        flags += ["--set", "reasoner.sampling.max_tokens=17"]
        capsys.readouterr()
        assert main(["compare", str(report), "lab", *asked, *flags, "--json"]) == 0
    line = json.loads(capsys.readouterr().out)["suites"]["lab/single"]
    before, after = (m["accuracy"] for m in line["measured"])
    assert before == Measurement.load(report.with_suffix(".answers.jsonl")).greedy["lab/single/pastel"].accuracy > after
    assert after == 0 and len(server.bodies) == 4 and {body["max_tokens"] for body in server.bodies} == {17}
    for arguments, said in (
        ([str(report), str(report), "--engine", "transformers"], "--suites or --data"),
        ([str(report), str(report), *asked, "--set", "dtype=bfloat16"], "runs and models that are scored"),
        (["lab", "lab", *asked, "--set", "dtpye=bfloat16"], "dtpye"),
        (["lab", "lab", *asked, "--set", "vote_engine=server"], "engine 'server': url: Field required"),
        (["lab", "lab", *asked, "--set", "model=./other"], "leave model out of --set"),
        (["lab", "./no-model", *asked, "--set", "dtype=bfloat16"], "no-model"),
    ):
        assert main(["compare", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1, error


# Runs that differ in their seed alone


def lines_of(summaries: list[dict[str, Any]]) -> list[str]:
    found = compare_seeds(summaries, [str(number) for number in range(len(summaries))])
    return "\n".join(table.plain() for table in seed_tables(found)).splitlines()


def change(mean: float) -> dict[str, Any]:
    return {"difference": {"mean": mean, "ci95": [mean - 0.01, mean + 0.01]}}


def summary(mean: float, *, controls: bool = False) -> dict[str, Any]:
    suite = {"base": {"accuracy": 0.5}, "iterations": [change(0.9), change(mean)]}
    suites = {"easy_vqa": suite, "lab/color": suite, "lab/color/clean": suite}
    lead = {"easy_vqa": [change(0.9)["difference"], change(0.03)["difference"]]}
    control = {"suites": {"easy_vqa": suite}, "lead": lead}
    return {"suites": suites, "controls": {"random_reward": control} if controls else {}}


def test_last_iterations_stand_beside_their_mean() -> None:
    lines = lines_of([summary(0.05), summary(0.07)])
    assert [line.split()[0] for line in lines[1:-1]] == ["suite", "easy_vqa", "lab/color"]
    assert lines[2].split(maxsplit=1)[1] == "+5.0 [+4.0, +6.0]  +7.0 [+6.0, +8.0]  +6.0 [-6.7, +18.7]"


def test_controls_are_shown_where_every_run_has_them() -> None:
    assert not any("random" in line for line in lines_of([summary(0.05, controls=True), summary(0.07)]))
    text = "\n".join(lines_of([summary(0.05, controls=True)] * 2))
    assert re.search(r"random_reward: change from the base\nsuite .*\neasy_vqa", text)
    assert re.search(r"ahead of random_reward\nsuite .*\neasy_vqa +\+3.0", text)


def test_without_a_base_there_is_nothing_to_compare() -> None:
    with pytest.raises(EvaluationError, match="nothing to compare"):
        (lines_of([{"suites": {"s": {"base": None, "iterations": []}}, "controls": {}}]))


def seed_run(folder: Path, mean: float, **settings: Any) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(dump_settings(Settings(**settings)))
    (folder / "summary.json").write_text(json.dumps(summary(mean)))
    return folder


def test_the_verb_compares_seeds_in_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = seed_run(tmp_path / "one", 0.05, seed=1), seed_run(tmp_path / "two", 0.07, seed=2)
    told = {}
    for form in ([], ["--markdown"], ["--latex"], ["--json"]):
        assert main(["compare", str(one), str(two), *form]) == 0
        told["".join(form)] = capsys.readouterr().out
    assert re.search(r"easy_vqa  .* \+6.0 \[-6.7, \+18.7\]", told[""])
    assert r"| easy\_vqa | +5.0 \[+4.0, +6.0\] | +7.0 \[+6.0, +8.0\] | +6.0 \[-6.7, +18.7\] |" in told["--markdown"]
    assert r"easy\_vqa & +5.0 [+4.0, +6.0] & +7.0 [+6.0, +8.0] & +6.0 [$-$6.7, +18.7] \\" in told["--latex"]
    found = json.loads(told["--json"])
    row = found["seeds"]["change from the base"]["easy_vqa"]
    assert found["names"] == [str(one), str(two)] and row["mean"] == pytest.approx(0.06) and row["seeds"] == 2
    assert [each["mean"] for each in row["each"]] == [0.05, 0.07]


def test_runs_that_are_not_finished_or_not_measured_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = seed_run(tmp_path / "one", 0.05), seed_run(tmp_path / "other", 0.05, iterations=2)
    unfinished = seed_run(tmp_path / "unfinished", 0.05)
    (unfinished / "summary.json").unlink()
    for wrong, reason in (
        (other, "was not measured"),
        (unfinished, "is not finished"),
        (tmp_path / "none", "--suites"),
    ):
        assert main(["compare", str(one), str(wrong)]) == 2
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1
