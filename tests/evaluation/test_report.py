"""Table and summary say the same as the marks, with n and intervals on_all_ranks."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from scipy.stats import binomtest

from visplay.evaluation.grading import Answered
from visplay.evaluation.report import accuracy_table
from visplay.evaluation.results import Measurement, SuiteResult, pool_looks
from visplay.evaluation.statistics import wilson_interval
from visplay.evaluation.summary import change_of_selected, selected_iteration, suites_summary


def result(name: str, right: int, n: int) -> SuiteResult:
    marks = tuple(Answered(f"{name}/{k}", "x" if k < right else None, k < right, True) for k in range(n))
    return SuiteResult(name, marks)


def measured(easy: int, clean: int, noisy: int, sampled: bool = True) -> Measurement:
    results = [
        result("easy_vqa", easy, 400),
        result("lab/hallucination/clean", clean, 60),
        result("lab/hallucination/noisy", noisy, 40),
    ]
    greedy = {each.name: each for each in results}
    return Measurement(greedy, {"easy_vqa": greedy["easy_vqa"]} if sampled else {})


BASE, FIRST, SECOND = measured(200, 30, 10), measured(250, 29, 10), measured(201, 60, 40, sampled=False)


def test_pooling_keeps_every_mark_of_every_look() -> None:
    pooled = pool_looks(BASE.greedy.values())
    assert list(pooled) == ["easy_vqa", "lab/hallucination"]
    assert (pooled["lab/hallucination"].correct, pooled["lab/hallucination"].n) == (40, 100)


def test_rows_pool_looks_and_mark_certain_changes_alone() -> None:
    rows = list(accuracy_table(BASE.greedy, [FIRST.greedy, SECOND.greedy]).rows)
    assert [(*r[:3], r[3].split()[0], r[4].endswith("*")) for r in rows] == [
        ("easy_vqa", "400", "base", "50.0", False),
        ("easy_vqa", "400", "iteration 1", "62.5", True),
        ("easy_vqa", "400", "iteration 2", "50.2", False),
        ("lab/hallucination", "100", "base", "40.0", False),
        ("lab/hallucination", "100", "iteration 1", "39.0", False),
        ("lab/hallucination", "100", "iteration 2", "100.0", True),
    ]
    assert rows[0][3:] == ("50.0 ± 4.9", "")
    assert rows[1][4].startswith("+12.5 [+") and rows[4][4].startswith("-1.0 [")


def test_both_tables_show_every_row_within_eighty_columns() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    table = accuracy_table(BASE.greedy, [FIRST.greedy, SECOND.greedy])
    console.print(table.rich())
    printed, plain = console.export_text(), table.plain()
    for row in table.rows:
        for text in (printed, plain):
            assert any(all(cell in line for cell in row) for line in text.splitlines())
    assert "\x1b" not in plain


def test_the_summary_has_its_shape_and_its_figures() -> None:
    summary = json.loads(json.dumps(suites_summary(BASE, [FIRST, SECOND])))
    assert set(summary) == {"easy_vqa", "lab/hallucination", "lab/hallucination/clean", "lab/hallucination/noisy"}
    easy = summary["easy_vqa"]
    assert set(easy) == {"base", "iterations"}
    always = {"accuracy", "ci95", "n", "kinds", "tolerant", "truncated", "unparseable"}
    assert set(easy["base"]) == {*always, "sampled"}
    first, second = easy["iterations"]
    assert set(first) == {*always, "difference", "gain", "sampled"}
    assert set(first["difference"]) == {"mean", "ci95", "p_mcnemar", "n"}
    assert set(second) == {*always, "difference", "gain"}
    assert first["unparseable"] == {"share": 0.375, "ci95": list(wilson_interval(150, 400)), "n": 400}
    assert (first["accuracy"], first["n"], first["difference"]["mean"]) == (0.625, 400, 0.125)
    assert first["ci95"] == pytest.approx(list(binomtest(250, 400).proportion_ci(method="wilson")))
    assert first["difference"]["p_mcnemar"] == pytest.approx(2 * 0.5**50)
    assert first["sampled"]["difference"]["mean"] == 0.125
    assert summary["lab/hallucination"]["iterations"][1]["difference"]["mean"] == pytest.approx(0.6)


def passed(right: int, k: int, n: int = 20) -> Measurement:
    looks = [result(f"lab/counting/{look}", right, n) for look in ("clean", "noisy")]
    found = {look.name: look for look in looks}
    return Measurement(BASE.greedy | found, {}, found, {"lab/counting/clean": found["lab/counting/clean"]}, k)


def test_pass_at_k_has_figures_of_its_own_pooled_and_paired() -> None:
    counting = suites_summary(passed(5, k=8), [passed(15, k=8)])["lab/counting"]
    [figures] = counting["iterations"]
    assert list(counting["base"])[-2:] == ["pass@8", "maj@8"]
    assert {"accuracy", "ci95", "n", "difference"} < set(figures["pass@8"])
    assert (figures["pass@8"]["accuracy"], figures["pass@8"]["n"]) == (0.75, 40)
    assert (figures["pass@8"]["difference"]["mean"], figures["maj@8"]["n"]) == (0.5, 20)
    rows = list(accuracy_table(passed(5, k=8).passes, [passed(15, k=8).passes]).rows)
    assert [row[:3] for row in rows] == [
        ("lab/counting", "40", "base"),
        ("lab/counting", "40", "iteration 1"),
    ]
    assert rows[1][4].startswith("+50.0 [")


def test_pass_at_k_is_compared_with_the_same_k_on_the_same_items_alone() -> None:
    after = passed(15, k=8)
    for base in (Measurement(after.greedy), passed(5, k=4)):
        [figures] = suites_summary(base, [after])["lab/counting"]["iterations"]
        assert "difference" in figures and "difference" not in figures["pass@8"]
    with pytest.raises(ValueError, match="same items"):
        suites_summary(replace(after, passes=passed(5, k=8, n=19).passes), [after])


def test_without_a_measured_base_nothing_is_compared() -> None:
    summary = suites_summary(None, [FIRST])
    assert summary["easy_vqa"]["base"] is None
    assert "difference" not in summary["easy_vqa"]["iterations"][0]
    assert [row[4] for row in accuracy_table(None, [FIRST.greedy]).rows] == ["", ""]


def test_marks_of_other_items_are_never_compared() -> None:
    other = Measurement({"easy_vqa": SuiteResult("easy_vqa", (Answered("elsewhere", None, False, True),))})
    with pytest.raises(ValueError, match="same items"):
        suites_summary(BASE, [other])
    with pytest.raises(ValueError, match="at least one mark"):
        SuiteResult("s", ())


@pytest.mark.parametrize(
    ("verdicts", "iteration", "mean"),
    [([], 2, 0.2), ([True, True], 2, 0.2), ([True, False], 1, 0.1), ([False, True], 2, 0.2), ([False, False], 0, 0.0)],
)
def test_what_a_run_hands_over_is_its_last_accepted_iteration(
    verdicts: list[bool], iteration: int, mean: float
) -> None:
    differences = [{"difference": {"mean": value, "ci95": [value, value]}} for value in (0.1, 0.2)]
    summary = {
        "suites": {"s": {"iterations": differences}},
        "acceptance": [{"iteration": t, "accepted": accepted} for t, accepted in enumerate(verdicts, start=1)],
    }
    assert selected_iteration(summary) == iteration
    assert change_of_selected(summary, "s")["mean"] == mean
