"""Table and summary say the same as the marks, with n and intervals everywhere."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from scipy.stats import binomtest

from visplay.evaluation.grading import Mark
from visplay.evaluation.report import run_tables
from visplay.evaluation.results import Measurement, SuiteResult, pool_looks
from visplay.evaluation.statistics import wilson_interval
from visplay.evaluation.summary import change_of_selected, macro_summary, selected_iteration, suites_summary
from visplay.evaluation.table import Table


def result(name: str, right: int, n: int) -> SuiteResult:
    marks = tuple(Mark(f"{name}/{k}", "x" if k < right else None, k < right, True) for k in range(n))
    return SuiteResult(name, marks)


def measured(easy: int, clean: int, noisy: int, sampled: bool = True) -> Measurement:
    results = [
        result("easy_vqa", easy, 400),
        result("lab/hallucination/clean", clean, 60),
        result("lab/hallucination/noisy", noisy, 40),
    ]
    greedy = {each.name: each for each in results}
    return Measurement({"greedy": greedy} | ({"sampled": {"easy_vqa": greedy["easy_vqa"]}} if sampled else {}))


BASE, FIRST, SECOND = measured(200, 30, 10), measured(250, 29, 10), measured(201, 60, 40, sampled=False)


def tables(base: Measurement | None, iterations: list[Measurement]) -> dict[str, Table]:
    summary = {"suites": suites_summary(base, iterations), "macro": macro_summary(base, iterations)}
    return {table.title.split(",")[0]: table for table in run_tables(summary)}


def test_pooling_keeps_every_mark_of_every_look() -> None:
    pooled = pool_looks(BASE.greedy.values())
    assert list(pooled) == ["easy_vqa", "lab/hallucination"]
    assert (pooled["lab/hallucination"].correct, pooled["lab/hallucination"].n) == (40, 100)


def test_rows_pool_looks_and_mark_certain_changes_alone() -> None:
    *rows, _, first, second = tables(BASE, [FIRST, SECOND])["greedy"].rows
    assert first[:3] == ("mean of 2", "500", "iteration 1") and first[4].endswith("*") and second[4].startswith("+30.1")
    assert [(*r[:3], r[3].split()[0], r[4].endswith("*")) for r in rows] == [
        ("easy_vqa", "400", "base", "50.0", False),
        ("easy_vqa", "400", "iteration 1", "62.5", True),
        ("easy_vqa", "400", "iteration 2", "50.2", False),
        ("lab/hallucination", "100", "base", "40.0", False),
        ("lab/hallucination", "100", "iteration 1", "39.0", False),
        ("lab/hallucination", "100", "iteration 2", "100.0", True),
    ]
    assert rows[0][3:] == ("50.0 [45.1, 54.9]", "", "") and rows[1][5] == "1.8e-15"
    assert rows[1][4].startswith("+12.5 [+") and rows[4][4].startswith("-1.0 [")


def test_a_table_shows_every_row_within_a_hundred_columns_and_what_is_certain_in_bold() -> None:
    table = tables(BASE, [FIRST, SECOND])["greedy"]
    for terminal in (False, True):
        file = io.StringIO()
        table.show(Console(width=100, file=file, force_terminal=terminal))
        lines = file.getvalue().splitlines()
        for row in table.rows:
            (line,) = (line for line in lines if all(cell in line for cell in row))
            assert line.startswith("\x1b[1m") == (terminal and row[4].endswith("*"))


def test_the_summary_has_its_shape_and_its_figures() -> None:
    summary = json.loads(json.dumps(suites_summary(BASE, [FIRST, SECOND])))
    assert set(summary) == {"easy_vqa", "lab/hallucination", "lab/hallucination/clean", "lab/hallucination/noisy"}
    easy = summary["easy_vqa"]
    assert set(easy) == {"base", "iterations"}
    always = {"accuracy", "ci95", "n", "kinds", "tolerant", "truncated", "unparseable", "declined", "answered"}
    change = {"difference", "gain", "transitions", "learned", "corrupted", "answered_difference"}
    assert set(easy["base"]) == {*always, "sampled"}
    first, second = easy["iterations"]
    assert set(first) == {*always, *change, "sampled"}
    assert set(first["difference"]) == {"mean", "ci95", "p_mcnemar", "n"}
    assert set(second) == {*always, *change}
    assert first["unparseable"] == {"share": 0.375, "ci95": list(wilson_interval(150, 400)), "n": 400}
    assert (first["accuracy"], first["n"], first["difference"]["mean"]) == (0.625, 400, 0.125)
    assert first["ci95"] == pytest.approx(list(binomtest(250, 400).proportion_ci(method="wilson")))
    assert first["difference"]["p_mcnemar"] == pytest.approx(2 * 0.5**50)
    assert first["sampled"]["difference"]["mean"] == 0.125
    assert summary["lab/hallucination"]["iterations"][1]["difference"]["mean"] == pytest.approx(0.6)


def passed(right: int, k: int, n: int = 20) -> Measurement:
    looks = [result(f"lab/counting/{look}", right, n) for look in ("clean", "noisy")]
    found = {look.name: look for look in looks}
    clean = {"lab/counting/clean": found["lab/counting/clean"]}
    return Measurement({"greedy": {**BASE.greedy, **found}, f"pass@{k}": found, f"maj@{k}": clean})


def test_pass_at_k_has_figures_of_its_own_pooled_and_paired() -> None:
    counting = suites_summary(passed(5, k=8), [passed(15, k=8)])["lab/counting"]
    [figures] = counting["iterations"]
    assert list(counting["base"])[-2:] == ["pass@8", "maj@8"]
    assert {"accuracy", "ci95", "n", "difference"} < set(figures["pass@8"])
    assert (figures["pass@8"]["accuracy"], figures["pass@8"]["n"]) == (0.75, 40)
    assert (figures["pass@8"]["difference"]["mean"], figures["maj@8"]["n"]) == (0.5, 20)
    rows = tables(passed(5, k=8), [passed(15, k=8)])["pass@8"].rows
    assert [row[:3] for row in rows] == [
        ("lab/counting", "40", "base"),
        ("lab/counting", "40", "iteration 1"),
    ]
    assert rows[1][4].startswith("+50.0 [")


def test_pass_at_k_is_compared_with_the_same_k_on_the_same_items_alone() -> None:
    after = passed(15, k=8)
    for base in (Measurement({"greedy": after.greedy}), passed(5, k=4)):
        [figures] = suites_summary(base, [after])["lab/counting"]["iterations"]
        assert "difference" in figures and "difference" not in figures["pass@8"]
    with pytest.raises(ValueError, match="same items"):
        suites_summary(
            Measurement({"greedy": after.greedy, "pass@8": passed(5, k=8, n=19).by_decoding["pass@8"]}), [after]
        )


def test_without_a_measured_base_nothing_is_compared() -> None:
    summary = suites_summary(None, [FIRST])
    assert summary["easy_vqa"]["base"] is None
    assert "difference" not in summary["easy_vqa"]["iterations"][0]
    assert {row[4] for row in tables(None, [FIRST])["greedy"].rows} == {""}


def test_marks_of_other_items_are_never_compared() -> None:
    elsewhere = SuiteResult("easy_vqa", (Mark("elsewhere", None, False, True),))
    other = Measurement({"greedy": {"easy_vqa": elsewhere}})
    with pytest.raises(ValueError, match="same items"):
        suites_summary(BASE, [other])
    with pytest.raises(ValueError, match="at least one mark"):
        SuiteResult("s", ())


@pytest.mark.parametrize(
    ("verdicts", "iteration", "mean"),
    [([], 2, 0.2), ([1, 2], 2, 0.2), ([1, 1], 1, 0.1), ([0, 0], 0, 0.0)],
)
def test_what_a_run_hands_over_is_named_by_its_last_verdict(verdicts: list[int], iteration: int, mean: float) -> None:
    differences = [{"difference": {"mean": value, "ci95": [value, value]}} for value in (0.1, 0.2)]
    summary = {
        "suites": {"s": {"iterations": differences}},
        "acceptance": [{"selected_iteration": selected} for selected in verdicts],
    }
    assert selected_iteration(summary) == iteration
    assert change_of_selected(summary, "s")["mean"] == mean
