"""Baselines without training: who votes, their figures, and that a model has no lead if it only stops declining."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.planted import Written
from visplay.answers import extract_boxed, is_refusal, vote
from visplay.cli.main import main
from visplay.config import load_settings
from visplay.errors import EvaluationError
from visplay.evaluation.baseline_figures import baseline_results
from visplay.evaluation.baselines import BASELINES, Baselines, commonest_answered
from visplay.evaluation.compare import compare, compare_seeds, comparison_table, kept_baselines
from visplay.evaluation.grading import Mark, commonest
from visplay.evaluation.report import report_tables, run_tables
from visplay.evaluation.results import Measurement, measurement_file
from visplay.evaluation.runner import measure
from visplay.evaluation.scoring import evaluate
from visplay.evaluation.summary import macro_summary, suites_summary
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.suites.tasks import lab_suites
from visplay.report.results_page import results_markdown
from visplay.report.run_data import RunView
from visplay.roles.open import open_reasoner
from visplay.runs import RunDirectory
from visplay.types import ImageRef, Item, Request, Suite

from .truth_table import Said, TruthTable, wording

VIEWS = ("plain", "smaller", "dimmer", "darker")
EIGHT = Baselines(8, VIEWS)


def suite(name: str, size: int) -> Suite:
    return Suite(name, tuple(Item(f"{name}/{n}", ImageRef(f"{name}/{n}", b""), "colour?", "red") for n in range(size)))


def measured(
    suites: Sequence[Suite],
    greedy: Callable[[int], str],
    votes: Callable[[int], Said] | None = None,
    baselines: Baselines = EIGHT,
) -> Measurement:
    """A model that answers the item of a number so greedily, and so when it is asked for votes."""

    def say(request: Request, sampling: Sampling) -> Said:
        number = int(request.id.split("/")[-1])
        return greedy(number) if request.greedy else votes(number) if votes else None

    return measure(TruthTable(say), suites, wording, 9, sampled=False, baselines=baselines if votes else None)


def test_votes_see_the_plain_image_and_view_votes_the_labelers_augmentations() -> None:
    engine = TruthTable(lambda request, sampling: "red")
    image = ImageRef("p", b"")
    items = (
        Item("a", image, "colour?", "red"),
        Item("b", image, "what is left?", "x"),
        Item("c", image, "colour?", "x"),
    )
    measure(engine, [Suite("s", items)], wording, 9, sampled=False, baselines=Baselines(7, ("plain", "mirrored")))
    [(requests, sampling)] = engine.calls
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (1, 1, 0)
    # What a mirror would change is asked about the plain image; c is a's question.
    assert [(r.id, r.image.id, r.n, r.greedy) for r in requests if not r.greedy] == [
        ("evaluation/baseline/votes/plain/a", "p", 7, False),
        ("evaluation/baseline/votes/plain/b", "p", 7, False),
        ("evaluation/baseline/view_votes/plain/a", "p", 4, False),
        ("evaluation/baseline/view_votes/mirrored/a", "p~mirrored", 3, False),
        ("evaluation/baseline/view_votes/plain/b", "p", 7, False),
    ]


def test_settings_name_the_labelers_views_and_off_is_the_labelers_number() -> None:
    assert Baselines.of(load_settings("facts", ["silver.votes=4"])).votes == 8
    chosen = load_settings("paper-lab", ["silver.votes=5", "evaluation.baseline_items=3", "seed=2"])
    assert Baselines.of(chosen) == Baselines(5, ("plain",), 3, 2)
    assert Baselines.of(load_settings("facts")).augmentations == VIEWS


@given(st.lists(st.sampled_from(["red", "blue", "unknown", "not sure", None]), min_size=1, max_size=9))
def test_a_refusal_has_a_vote_only_where_nothing_else_is_said(said: list[str | None]) -> None:
    marks = [Mark("i", each, each == "red", True, text=str(each), read=each) for each in said]
    elected = commonest_answered(marks)
    told = [each for each in said if each is not None and not is_refusal(each)]
    assert elected.given == (vote(told)[0] if told else commonest(marks).given)
    assert (elected.given == "red") == elected.correct and elected.draws == tuple(map(str, said))
    assert elected.read == elected.given, "every answer is boxed, so both readers elect the same"


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 9))
def test_suites_share_drawn_items_and_styles_share_a_number(most: int, size: int, seed: int) -> None:
    whole, *styles = suite("whole", 40), suite("lab/color/clean", size), suite("lab/color/noisy", size)
    part = Suite("part", whole.items[::2])
    drawn = Baselines(1, items=most, seed=seed).draw([whole, part, *styles])
    assert [len(each.items) for each in drawn] == [most, min(most, 20)] + 2 * [min(-(-most // 2), size)]
    assert {item for item in drawn[0].items if item in part.items} <= set(drawn[1].items)
    assert Baselines(1, seed=seed).draw([whole, part, *styles]) == [whole, part, *styles]


def test_votes_that_beat_greedy_are_the_lead_to_catch_up() -> None:
    suites = [suite("s", 20)]
    base = measured(suites, lambda n: "blue", lambda n: ("red", "blue", "red", "red", "blue", "red", "blue", "red"))
    better = measured(suites, lambda n: "red" if n < 5 else "blue")
    found = json.loads(json.dumps(suites_summary(base, [base, better])))["s"]
    assert found["baselines"]["best"] == "votes", "of equal accuracies the first"
    assert found["baselines"]["votes"]["accuracy"] == 1 and found["baselines"]["votes"]["n"] == 20
    assert found["baselines"]["votes"]["difference"]["mean"] == 1
    same, gained = (one["lead_over_baseline"] for one in found["iterations"])
    assert (same["mean"], gained["mean"], gained["n"], gained["baseline"]) == (-1, -0.75, 20, "votes")
    assert gained["ci95"][1] < 0
    assert not set(BASELINES) & found["base"].keys(), "baselines are no decodings of the base"


def declining(number: int) -> str:
    return "unknown" if number % 2 else "red"


def mostly_declining(number: int) -> Said:
    return ("unknown", "red") * 4 if number % 2 == 0 else ("unknown", "unknown", "red", "unknown") * 2


def test_a_model_that_only_stops_declining_gains_and_does_not_lead() -> None:
    suites = [suite("s", 40)]
    base = measured(suites, declining, mostly_declining, Baselines(8))
    trained = measured(suites, lambda n: "red")
    found = suites_summary(base, [trained])["s"]
    [after] = found["iterations"]
    assert found["base"]["accuracy"] == 0.5 and after["difference"]["mean"] == 0.5
    assert [found["baselines"][name]["accuracy"] for name in BASELINES] == [1, 0, 1]
    lead = after["lead_over_baseline"]
    assert (lead["mean"], lead["n"], lead["baseline"]) == (0, 40, "votes")
    assert lead["ci95"][0] < 0 < lead["ci95"][1] < 0.1, "equal marks leave some doubt"
    table = next(iter(report_tables(base, trained)))
    assert table.columns[-1] == "lead, points"
    assert [(row[2], row[1], row[3].split()[0], row[-1].split(" [")[0]) for row in table.rows] == [
        ("base", "40", "50.0", ""),
        ("votes", "40", "100.0", ""),
        ("model", "40", "100.0", "+0.0"),
    ]
    assert table.rows[1][4].startswith("+50.0 [") and table.rows[2][4].startswith("+50.0 [")


def several() -> tuple[Measurement, Measurement]:
    """A base with baselines on a part of the items, and a model; a task of two styles, two other suites, one a part."""
    rng = np.random.default_rng(3)
    whole = suite("whole", 60)
    suites = [whole, Suite("part", whole.items[:30]), suite("lab/color/clean", 30), suite("lab/color/noisy", 30)]
    said = {name: rng.choice(["red", "blue", "unknown"], (60, 8)) for name in ("base", "model", "votes")}
    base = measured(
        suites, lambda n: said["base"][n, 0], lambda n: tuple(map(str, said["votes"][n])), Baselines(8, VIEWS, 20)
    )
    return base, measured(suites, lambda n: said["model"][n, 0])


def test_pooled_tasks_and_the_mean_are_paired_over_the_items_of_the_baselines() -> None:
    base, model = several()
    suites, macro = suites_summary(base, [model]), macro_summary(base, [model])
    marks = {name: results["lab/color"].marks() for name, results in baseline_results(base).items()}
    pooled = suites["lab/color"]
    assert pooled["baselines"]["best"] == max(BASELINES, key=lambda name: sum(marks[name].values()))
    assert pooled["baselines"]["votes"]["n"] == 20 and suites["lab/color/clean"]["baselines"]["votes"]["n"] == 10
    assert macro["iterations"][0]["benchmarks"] == ["whole", "lab/color"], "a part of a suite counts once"
    best = macro["baselines"]["best"]
    theirs = baseline_results(base)[best]
    leads = []
    for name, parts in {"whole": ["whole"], "lab/color": ["lab/color/clean", "lab/color/noisy"]}.items():
        right = {item: mark for part in parts for item, mark in model.greedy[part].marks().items()}
        leads.append(np.mean([float(right[item]) - mark for item, mark in theirs[name].marks().items()]))
    lead = macro["iterations"][0]["lead_over_baseline"]
    assert lead["mean"] == pytest.approx(np.mean(leads)) and (lead["n"], lead["baseline"]) == (40, best)
    accuracies = [theirs[name].accuracy for name in ("whole", "lab/color")]
    assert macro["baselines"][best]["accuracy"] == pytest.approx(np.mean(accuracies))
    rows = next(iter(report_tables(base, model))).rows
    assert [row[:3] for row in rows if row[0] == "mean of 2"] == [
        ("mean of 2", "120", "base"),
        ("mean of 2", "40", best),
        ("mean of 2", "120", "model"),
    ]


def test_other_decodings_are_compared_with_no_baseline_and_without_votes_nothing_is_added() -> None:
    base, model = several()
    assert "baselines" not in macro_summary(None, [model])
    for name, figures in suites_summary(model, [model]).items():
        assert "baselines" not in figures and "lead_over_baseline" not in figures["iterations"][0], name
    assert next(iter(report_tables(model, model))).columns[-1] == "p"
    maj = Measurement({**model.by_decoding, "maj@8": model.greedy})
    tables = {
        table.title: table for table in report_tables(Measurement({**base.by_decoding, "maj@8": base.greedy}), maj)
    }
    assert {row[2] for row in tables["maj@8, what is boxed"].rows} == {"base", "model"}


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    with RunDirectory.create(tmp_path / "run", load_settings("facts")) as run:
        yield Written(run)


def test_a_run_its_page_and_a_comparison_show_the_best_baseline(written: Written, tmp_path: Path) -> None:
    base, model = several()
    (written.path / "measurements").mkdir()
    for number, each in enumerate((base, model)):
        each.save(measurement_file(written.path, number))
        written.line("measure", number, 0)
    assert Measurement.load(measurement_file(written.path, 0)) == base
    page = RunView(written.path).read()
    [color] = [one for one in page["suites"] if (one["suite"], one["decoding"]) == ("lab/color", "greedy")]
    summary = {"suites": suites_summary(base, [model]), "macro": macro_summary(base, [model])}
    told = summary["suites"]["lab/color"]
    assert color["baseline"] == {"name": told["baselines"]["best"], **told["baselines"][told["baselines"]["best"]]}
    assert color["iterations"][0]["lead_over_baseline"] == told["iterations"][0]["lead_over_baseline"]
    markdown = results_markdown(page)
    line, *_ = [line for line in markdown.splitlines() if line.startswith("| lab/color |")]
    assert f"| {told['baselines']['best']}: " in line and " of 20 |" in line and "lead of the last, points" in markdown
    rows = next(iter(run_tables(summary))).rows
    assert [row[2] for row in rows if row[0] == "lab/color"] == ["base", told["baselines"]["best"], "iteration 1"]

    found = json.loads(json.dumps(compare("ab", [model.greedy, base.greedy], kept_baselines(str(written.path)))))
    first, second = found["suites"]["lab/color"]["baselines"]["leads"]
    assert first["mean"] == told["iterations"][0]["lead_over_baseline"]["mean"]
    assert second["mean"] == pytest.approx(-told["baselines"][told["baselines"]["best"]]["difference"]["mean"])
    table = comparison_table(found, "AB")
    assert [row[0].split(":")[0] for row in table.rows][2:4] == [
        "part",
        f"  {found['suites']['part']['baselines']['best']}",
    ]
    assert all(len(row) == len(table.columns) for row in table.rows) and "A lead is" in table.note
    without = comparison_table(compare("ab", [model.greedy, base.greedy], kept_baselines(str(tmp_path))), "AB")
    assert len(without.rows) == 5 - 1 and "A lead is" not in without.note


def test_seeds_show_the_lead_of_what_each_run_hands_over() -> None:
    base, model = several()
    summary = {"suites": suites_summary(base, [model]), "controls": {}, "acceptance": [{"selected_iteration": 1}]}
    undone = {**summary, "acceptance": [{"selected_iteration": 0}]}
    seeds = compare_seeds([summary, undone], ["0", "1"])["seeds"]
    row = seeds["lead over the best baseline without training"]["lab/color"]
    color = summary["suites"]["lab/color"]
    expected = [color["iterations"][0]["lead_over_baseline"]["mean"]]
    expected.append(-color["baselines"][color["baselines"]["best"]]["difference"]["mean"])
    assert [each["mean"] for each in row["each"]] == expected and row["mean"] == pytest.approx(np.mean(expected))
    without = {**summary, "suites": suites_summary(model, [model])}
    assert list(compare_seeds([summary, without], ["0", "1"])["seeds"]) == ["change from the base"]


def test_the_labs_model_answers_as_before_and_its_votes_are_recounted() -> None:
    policy, prompts, _ = open_reasoner("lab")
    engine, suites = TransformersEngine(policy, 0, 64), lab_suites(3, 6, ["color", "existence"], ["pastel"])
    alone = measure(engine, suites, prompts.answer, None, sampled=False, k=2)
    found = measure(engine, suites, prompts.answer, None, sampled=False, k=2, baselines=replace(EIGHT, items=4))
    assert list(found.by_decoding) == [*alone.by_decoding, *BASELINES]
    assert {name: found.by_decoding[name] for name in alone.by_decoding} == dict(alone.by_decoding)
    views, answered = (found.by_decoding[name]["lab/color/pastel"].answered for name in BASELINES[1:])
    assert len(views) == 4 and [mark.draws for mark in views] == [mark.draws for mark in answered]
    for name in BASELINES:
        for mark in found.by_decoding[name]["lab/color/pastel"].answered:
            said = [extract_boxed(text) for text in mark.draws]
            told = [each for each in said if each and not is_refusal(each)]
            assert len(said) == 8
            assert mark.given == vote(said if name == "view_votes" or not told else told)[0]
    figures = suites_summary(found, [alone])["lab/color/pastel"]
    assert set(figures) == {"base", "baselines", "iterations"} and set(figures["baselines"]) == {"best", *BASELINES}
    assert set(figures["baselines"]["votes"]) == {"accuracy", "ci95", "n", "difference"}
    assert {"mean", "ci95", "n", "baseline"} <= set(figures["iterations"][0]["lead_over_baseline"])


def test_the_commands_need_a_base_for_its_votes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, asked = tmp_path / "scores.json", ["eval", "lab", "--suites", "lab/single/pastel", "--items", "3"]
    assert main([*asked, "--baselines", "--out", str(out)]) == 2
    assert "name the base by --base" in capsys.readouterr().err
    few = ["--set", "evaluation.baseline_votes=2", "--set", "evaluation.baseline_items=2"]
    assert main([*asked, "--baselines", "--base", "lab", *few, "--out", str(out)]) == 0
    figures: dict[str, Any] = json.loads(out.read_text())
    assert figures["baselines"] is True and "lead, points" in capsys.readouterr().out
    best = figures["suites"]["lab/single"]["baselines"]["best"]
    assert figures["suites"]["lab/single"]["baselines"][best]["n"] == 2
    assert list(kept_baselines(str(out))) == list(BASELINES)
    votes = Measurement.load(tmp_path / "scores.base.answers.jsonl").by_decoding["votes"]
    assert {len(mark.draws) for mark in votes["lab/single/pastel"].answered} == {2}

    scores = evaluate(
        "lab", suites=["lab/single/pastel"], base="lab", items=3, baselines=True, overrides=[few[1], few[3]]
    )
    assert json.loads(json.dumps(scores.metrics()["suites"])) == figures["suites"]
    with pytest.raises(EvaluationError, match="name the base"):
        evaluate("lab", suites=["lab/single"], baselines=True)
