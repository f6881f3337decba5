"""Planted changes, each told apart in words: refusals that stop, boxes that appear, suites that trade, chance, a gain.

The items are answered by a script and marked as in every evaluation; no figure is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from visplay.errors import EvaluationError
from visplay.evaluation.compare import account_tables, compare
from visplay.evaluation.grading import score
from visplay.evaluation.headline import Headline, check_endpoints, headline
from visplay.evaluation.report import run_tables
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.evaluation.summary import macro_summary, suites_summary
from visplay.types import Completion, ImageRef, Item

Says = Callable[[int], str]
ITEMS = 200

RIGHT, WRONG, DECLINED = "\\boxed{red}", "\\boxed{blue}", "\\boxed{unknown}"
UNBOXED = "The answer is red."


def some(shares: str) -> Says:
    """Says each text for so many items of a hundred, spread evenly; the order decides for which ones."""
    texts = {"right": RIGHT, "wrong": WRONG, "declined": DECLINED, "unboxed": UNBOXED}
    said = [texts[name] for number, name in map(str.split, shares.split(", ")) for _ in range(int(number))]
    assert len(said) == 100
    return lambda n: said[n * 37 % 100]


def answers(**suites: Says) -> Measurement:
    """Four items on every image."""
    results = {}
    for name, says in suites.items():
        items = [Item(f"{name}/{n}", ImageRef(f"{name}/{n // 4}", b""), "colour?", "red") for n in range(ITEMS)]
        said = {item.id: [Completion("r", 0, (), (), says(n), True)] for n, item in enumerate(items)}
        results[name] = SuiteResult(name, score(items, said))
    return Measurement({"greedy": results})


def summary(base: Measurement | None, *iterations: Measurement, **more: Any) -> Mapping[str, Any]:
    found = {"suites": suites_summary(base, iterations), "macro": macro_summary(base, iterations), **more}
    read: Mapping[str, Any] = json.loads(json.dumps(found))
    return read


def told(before: Mapping[str, Says], after: Mapping[str, Says], **endpoints: tuple[str, ...]) -> Headline:
    return headline(summary(answers(**before), answers(**after)), endpoints)


BASE = some("60 right, 10 wrong, 30 declined")


def test_a_model_that_only_stops_declining() -> None:
    found = told({"s": BASE}, {"s": some("60 right, 10 wrong, 20 right, 10 wrong")})
    assert found.verdict == "better"
    first, gain, declined = found.sentences
    assert first.startswith("Better: s, 60.0 % right before, 80.0 % now, +20.0 [+")
    assert gain.startswith(
        "All of the gain is on questions that the base declined; where it answered, accuracy changed by +0.0 [-"
    )
    assert declined == "The base declined 30.0 % of the questions; now 0.0 % are declined."


def test_a_model_that_only_boxes_its_answers() -> None:
    found = told({"s": some("30 right, 40 unboxed, 30 wrong")}, {"s": some("70 right, 30 wrong")})
    assert found.verdict == "better"
    assert found.sentences[1].startswith("The answers did not change (+0.0 [-")
    assert "; only more of them are boxed (+40.0 [+" in found.sentences[1] and len(found.sentences) == 2


def test_a_model_that_trades_suites() -> None:
    worse = some("35 right, 35 wrong, 30 declined")
    found = told({"a": BASE, "b": BASE}, {"a": some("85 right, 15 wrong"), "b": worse})
    assert found.verdict == "mixed"
    first, others = found.sentences
    assert first.startswith("No change is shown: the mean of 2 suites, 60.0 % right before, 60.0 % now, +0.0 [-")
    assert others.startswith("Better at a +25.0 [+") and "; worse at b -25.0 [-" in others


def test_a_model_that_only_falls() -> None:
    found = told({"s": BASE}, {"s": some("40 right, 10 wrong, 10 declined, 10 wrong, 30 declined")})
    assert found.verdict == "worse" and found.sentences[0].startswith(
        "Worse: s, 60.0 % right before, 40.0 % now, -20.0 [-"
    )
    assert found.sentences[1] == "Of right answers 20 became wrong and 20 were declined."


def test_nothing_is_not_told_as_something() -> None:
    found = told({"a": BASE, "b": BASE}, {"a": BASE, "b": some("61 right, 10 wrong, 29 declined")})
    assert found.verdict == "no change shown" and len(found.sentences) == 1
    assert found.sentences[0].startswith("No change is shown: the mean of 2 suites, 60.0 % right before, 60.5 % now")


def test_a_real_gain() -> None:
    found = told(
        {"s": some("40 right, 40 wrong, 20 declined")}, {"s": some("70 right, 10 wrong, 5 right, 15 declined")}
    )
    first, gain, declined = found.sentences
    assert found.verdict == "better" and "+35.0 [+" in first and declined.endswith("now 15.0 % are declined.")
    share, rest = gain.split(" % of the gain is on questions that the base declined; where it answered, ")
    assert share == "14" and rest.startswith("accuracy changed by +") and "[+" in rest


def test_endpoints_are_judged_one_by_one_and_the_rest_is_exploratory() -> None:
    after = {"a": some("80 right, 20 wrong"), "b": BASE, "c": some("40 right, 60 wrong")}
    found = told(dict.fromkeys("abc", BASE), after, seeing=("a", "b"), thinking=("c",))
    assert found.verdict == "mixed"
    assert [sentence.split(",")[0] for sentence in found.sentences if ": " in sentence][:2] == [
        "Better: seeing",
        "Worse: thinking",
    ]
    assert found.sentences[-1].startswith("Better at a") and " c " not in found.sentences[-1]
    # An endpoint of a suite that this report lacks is left out; without any, the mean of all is judged.
    alone = told({"a": BASE}, {"a": BASE}, thinking=("c",))
    assert alone.sentences[0].startswith("No change is shown: a,")
    for names in (("a", "lab/counting", "lab/counting/pastel"), ()):
        check = {"seeing": names} if names else {}
        check_endpoints(check, ["a", "lab/counting/pastel"])
    with pytest.raises(EvaluationError, match="seeing needs d; name some of a, b"):
        check_endpoints({"seeing": ("a", "d")}, ["a", "b"])


def test_the_lead_over_a_baseline_and_what_is_handed_over_are_told() -> None:
    figures = summary(answers(s=BASE), answers(s=BASE), answers(s=some("80 right, 20 wrong")), acceptance=[])
    lead = {"mean": -0.05, "ci95": [-0.07, -0.03], "n": ITEMS, "baseline": "votes over views"}
    figures["suites"]["s"]["iterations"][1]["lead_over_baseline"] = lead
    *_, against, handed = headline(figures, {}).sentences
    assert against == "Against the best baseline without training (votes over views): -5.0 [-7.0, -3.0] points."
    assert handed == "Iteration 2 is handed over."


def test_a_base_that_is_handed_over_or_was_not_measured_is_no_gain() -> None:
    rejected = [{"selected_iteration": 0}]
    better = answers(s=some("80 right, 20 wrong"))
    found = headline(summary(answers(s=BASE), better, acceptance=rejected), {})
    assert found == Headline("no change shown", ("The base is handed over: no iteration was accepted.",))
    found = headline(summary(None, better, acceptance=[]), {})
    assert found.verdict == "no change shown" and found.sentences[0] == "No suite was measured before and after."
    assert headline({"suites": {}, "macro": {}, "acceptance": []}, {}).verdict == "no change shown"


def test_what_a_change_is_made_of_adds_up_and_is_in_every_table() -> None:
    base, model = (
        answers(s=BASE, t=BASE),
        answers(s=some("80 right, 15 wrong, 5 declined"), t=some("50 right, 50 wrong")),
    )
    found = summary(base, model)
    for figures in (*(each["iterations"][0] for each in found["suites"].values()), found["macro"]["iterations"][0]):
        assert figures["learned"] - figures["corrupted"] == pytest.approx(figures["difference"]["mean"] * figures["n"])
        changed = figures["transitions"]
        assert figures["learned"] == changed["declined_to_right"] + changed["wrong_to_right"]
    by_hand = {mark.item_id: mark for mark in base.greedy["s"].answered}
    pairs = [(by_hand[mark.item_id], mark) for mark in model.greedy["s"].answered]
    figures = found["suites"]["s"]["iterations"][0]
    assert figures["transitions"]["declined_to_right"] == sum(b.declined and a.correct for b, a in pairs)
    answered = [(b, a) for b, a in pairs if not b.declined]
    change = sum(a.correct - b.correct for b, a in answered) / len(answered)
    assert figures["answered_difference"]["mean"] == pytest.approx(change)
    assert figures["answered_difference"]["n"] == len(answered) == 140
    assert figures["answered"]["accuracy"] == pytest.approx(160 / 190) and figures["declined"]["share"] == 0.05
    [of_run] = [table for table in run_tables(found) if "made of" in table.title]
    compared = compare(["a", "b"], [base.greedy, model.greedy])
    [of_compare] = account_tables(compared, ["A", "B"])
    assert of_run.rows == of_compare.rows and len(of_run.rows) == 3
    assert of_run.rows[0][:3] == ("s", str(ITEMS), "30.0 → 5.0") and " : " in of_run.rows[0][-1]
    assert of_compare.note.splitlines()[-1].startswith("Mixed. ")
