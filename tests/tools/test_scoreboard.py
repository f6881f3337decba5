"""The scoreboard: which runs it has, and every row against figures computed from the planted marks themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console
from scipy.stats import ttest_1samp

from visplay.cli.main import main
from visplay.config import load_settings
from visplay.errors import ConfigError
from visplay.evaluation.grading import Mark
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.evaluation.summary import macro_summary, suites_summary
from visplay.selfplay.controls import CONTROLS, changed, control_changes
from visplay.tools.ablation import Matrix, Run
from visplay.tools.scoreboard import score, scoreboard_matrices, scoreboard_page
from visplay.tools.scores import Section, score_figures

# What is run


def matrix_of(*recipes: str, seeds: int = 3, changes: tuple[str, ...] = (), **options: Any) -> Matrix:
    values = {"models": [], "preset": "default", "pass_k": 0} | options
    (matrix,) = scoreboard_matrices(recipes, seeds, changes=changes, **values).values()
    return matrix


def test_without_names_it_has_three_presets_and_every_control_of_the_default(tmp_path: Path) -> None:
    matrix = matrix_of(seeds=2, pass_k=4)
    assert list(matrix.recipes) == ["paper-lab", "votes", "default", *CONTROLS]
    runs = {(run.recipe, run.settings.seed): run.settings for run in matrix.runs(tmp_path)}
    assert {seed for _, seed in runs} == {0, 1} and len(runs) == 2 * (3 + len(CONTROLS))
    default = runs["default", 0]
    assert all(settings.evaluation == default.evaluation for settings in runs.values())
    assert default.evaluation.pass_k == 4 and default.evaluation.baseline_votes > 0
    for name in ("paper-lab", "votes", "default"):
        preset = load_settings(name)
        same = {"silver": preset.silver, "questioner": preset.questioner, "reasoner": preset.reasoner}
        assert {key: getattr(runs[name, 0], key) for key in same} == same
    assert runs["paper-lab", 0].rl.learning_rate == 3e-5
    for name in CONTROLS:
        assert runs[name, 0] == changed(default, control_changes(name, default), "here")


def test_controls_that_do_not_apply_are_left_out_unless_they_are_named() -> None:
    # The preset `paper-lab` has plain images alone.
    assert set(CONTROLS) - set(matrix_of(preset="paper-lab").recipes) == {"neutral_views"}
    with pytest.raises(ConfigError, match="neutral_views: the run has plain images alone"):
        matrix_of("neutral_views", preset="paper-lab")


def test_a_file_is_a_preset_or_a_matrix(tmp_path: Path) -> None:
    preset, matrix = tmp_path / "mine.yaml", tmp_path / "matrix.yaml"
    preset.write_text("silver: {votes: 3}\n")
    shared = {"silver.votes": 5, "evaluation": {"items_per_suite": 3}}
    recipes = {"a": {"silver.votes": 6}, "bank": {"control": "no_questioner"}}
    matrix.write_text(yaml.safe_dump({"preset": "votes", "seeds": [7], "settings": shared, "recipes": recipes}))
    found = matrix_of(str(preset), str(matrix), "votes", seeds=1, changes=("evaluation.items_per_suite=9",))
    mine, a, bank, votes = (run.settings for run in found.runs(tmp_path))
    assert [settings.silver.votes for settings in (mine, a, bank, votes)] == [3, 6, 5, 8]
    assert a.seed == 0 and a.silver.labeler == votes.silver.labeler and bank.questioner.bank
    assert found.recipe_of("no_questioner") == "bank"
    assert all(settings.evaluation.items_per_suite == 9 for settings in (mine, a, bank, votes))


def test_another_base_repeats_all_in_a_folder_of_its_own(tmp_path: Path) -> None:
    found = scoreboard_matrices(["default"], 1, ["runs/second/model"], "default", [], 0)
    runs = [run for base, matrix in found.items() for run in matrix.runs(tmp_path / base)]
    assert [(base, run.settings.model) for base, run in zip(found, runs, strict=True)] == [
        ("lab", "lab"),
        ("second/model", "runs/second/model"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["best"], "no preset 'best'"),
        (["gone.yaml"], "no preset file gone.yaml"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--set", "silver.vote=3"], "silver.vote: Extra"),
        (["--model", "a/x/model", "--model", "b/x/model"], "two bases are named 'x/model'"),
        (["--page", "gone/page.md"], "--page: there is no folder gone"),
        (["default", "--page-only"], "is finished; run the same command without --page-only"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_starts(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "score", *arguments, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert message in told and told.startswith("visplay: ") and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


# The figures. A planted measurement is a string for each suite: an item is right, wrong, or declined.

PLANTED = "evaluation.suites=[easy_vqa, lab/counting/pastel, lab/counting/clean]"
SIZES = {"easy_vqa": 12, "lab/counting/pastel": 8, "lab/counting/clean": 9}
Planted = Mapping[str, str]


def marks(suite: str, states: str) -> SuiteResult:
    given = {"r": "yes", "w": "no", "d": "unknown"}
    return SuiteResult(
        suite, tuple(Mark(f"{suite}/{i}", given[s], s == "r", True, loose=s == "r") for i, s in enumerate(states))
    )


def measurement(**decodings: Planted) -> Measurement:
    return Measurement(
        {
            name.replace("pass8", "pass@8"): {suite: marks(suite, states) for suite, states in planted.items()}
            for name, planted in decodings.items()
        }
    )


def plant(run: Run, base: dict[str, Planted], *iterations: dict[str, Planted], **values: Any) -> None:
    before, after = measurement(**base), [measurement(**each) for each in iterations]
    figures = {"suites": suites_summary(before, after), "macro": macro_summary(before, after), "silver": []}
    run.path.mkdir(parents=True)
    (run.path / "summary.json").write_text(json.dumps(figures | {"seconds": 60.0, "peak_memory_bytes": 1e9} | values))


def drawn(rng: np.random.Generator, right: float) -> Planted:
    shares = [right, (1 - right) / 2, (1 - right) / 2]
    return {suite: "rwd" + "".join(rng.choice(list("rwd"), size - 3, p=shares)) for suite, size in SIZES.items()}


def is_right(states: str) -> np.ndarray:
    return np.array([state == "r" for state in states], dtype=float)


def benchmarks(planted: Planted) -> list[str]:
    """The states of easy_vqa, and of both looks of counting together."""
    return [planted["easy_vqa"], planted["lab/counting/pastel"] + planted["lab/counting/clean"]]


def cell(section: Section, row: str, recipe: str, table: str = "") -> dict[str, Any]:
    rows = [each for title, rows in section.tables.items() if table in title for each in rows if each.name == row]
    return rows[0].cells[recipe]


def check(found: dict[str, Any], by_seed: Mapping[int, float]) -> None:
    """Mean and Student's interval, by scipy."""
    values = list(by_seed.values())
    assert found["seeds"] == list(by_seed) and found["mean"] == pytest.approx(np.mean(values))
    if np.std(values) > 1e-9:
        assert found["ci95"] == pytest.approx(list(ttest_1samp(values, 0).confidence_interval()))


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Section, dict[tuple[str, int], Planted], dict[int, dict[str, Planted]], Any]:
    """Three recipes by three seeds with random marks; two runs are not finished, and one hands the base over."""
    matrix = matrix_of("default", "no_questioner", "true_labels", changes=(PLANTED, "images=lab/pastel"), pass_k=8)
    rng = np.random.default_rng(7)
    bases = {
        seed: {"greedy": drawn(rng, 0.3), "pass8": drawn(rng, 0.5)}
        | {name: drawn(rng, 0.4) for name in ("votes", "view_votes", "view_votes_answered")}
        for seed in range(3)
    }
    selected, passed = dict[tuple[str, int], Planted](), dict[tuple[str, int], Planted]()
    runs = matrix.runs(tmp_path)
    for run in runs:
        at = run.recipe, run.settings.seed
        if at in [("no_questioner", 2), ("true_labels", 0)]:
            continue
        right = {"default": 0.6, "no_questioner": 0.4, "true_labels": 0.9}[run.recipe]
        iterations = [{"greedy": drawn(rng, right), "pass8": drawn(rng, right)} for _ in range(2)]
        number = {0: 2, 1: 1, 2: 0}[at[1]] if run.recipe == "default" else 2
        silver = [{"reward_accuracy": 0.5 + 0.1 * at[1], "label_accuracy": None}, {"reward_accuracy": 0.9}]
        verdicts = [{"selected_iteration": 0}, {"selected_iteration": number}]
        plant(run, bases[at[1]], *iterations, silver=silver, acceptance=verdicts, seconds=60.0 * (1 + at[1]))
        chosen = iterations[number - 1] if number else bases[at[1]]
        selected[at], passed[at] = chosen["greedy"], chosen["pass8"]
    return score_figures("lab", matrix, runs), selected, bases, passed


def test_every_row_is_that_of_the_marks(
    planted: tuple[Section, dict[tuple[str, int], Planted], dict[int, dict[str, Planted]], dict[Any, Planted]],
) -> None:
    section, selected, bases, passed = planted

    def over(recipe: str, value: Callable[[Planted, dict[str, Planted]], float]) -> dict[int, float]:
        return {seed: value(selected[recipe, seed], bases[seed]) for name, seed in selected if name == recipe}

    def gain(now: Planted, base: dict[str, Planted], only: str = "rwd") -> float:
        """The mean over benchmarks of the change on the items whose state was one of `only`."""
        pairs = zip(benchmarks(base["greedy"]), benchmarks(now), strict=True)
        return float(
            np.mean(
                [
                    np.mean((is_right(after) - is_right(before))[[state in only for state in before]])
                    for before, after in pairs
                ]
            )
        )

    def lead(now: Planted, base: dict[str, Planted]) -> float:
        rivals = [benchmarks(base[name]) for name in ("votes", "view_votes", "view_votes_answered")]
        best = [max(is_right(states).mean() for states in each) for each in zip(*rivals, strict=True)]
        return float(np.mean([is_right(ours).mean() - top for ours, top in zip(benchmarks(now), best, strict=True)]))

    def change(*suites: str) -> Callable[[Planted, dict[str, Planted]], float]:
        return lambda now, base: float(
            is_right("".join(now[s] for s in suites)).mean()
            - is_right("".join(base["greedy"][s] for s in suites)).mean()
        )

    for recipe in section.recipes:
        check(cell(section, "mean of all: whole gain", recipe), over(recipe, gain))
        answered = over(recipe, lambda now, base: gain(now, base, "rw"))
        check(cell(section, "mean of all: gain where the base answered", recipe), answered)
        check(cell(section, "mean of all: lead over the best baseline", recipe), over(recipe, lead))
        pooled = change("lab/counting/pastel", "lab/counting/clean")
        check(cell(section, "lab/counting", recipe, "Every suite"), over(recipe, pooled))
        check(cell(section, "easy_vqa", recipe, "Every suite"), over(recipe, change("easy_vqa")))
        unseen, seen = change("lab/counting/clean"), change("lab/counting/pastel")
        check(cell(section, "change on looks that it did not train on", recipe), over(recipe, unseen))
        check(cell(section, "change on looks that it trained on", recipe), over(recipe, seen))
        seeds = [seed for name, seed in selected if name == recipe]
        more = {
            seed: float(
                np.mean(
                    [
                        is_right(after).mean() - is_right(before).mean()
                        for before, after in zip(
                            benchmarks(bases[seed]["pass8"]), benchmarks(passed[recipe, seed]), strict=True
                        )
                    ]
                )
            )
            for seed in seeds
        }
        check(cell(section, "mean of all: change of pass@8", recipe), more)
        check(cell(section, "reward accuracy", recipe), {seed: (0.5 + 0.1 * seed + 0.9) / 2 for seed in seeds})
        check(cell(section, "time of a run", recipe), {seed: 60.0 * (1 + seed) for seed in seeds})
        check(cell(section, "peak memory", recipe), dict.fromkeys(seeds, 1e9))
        moved = [
            (before == "r", after == "r")
            for seed in seeds
            for suite in SIZES
            for before, after in zip(bases[seed]["greedy"][suite], selected[recipe, seed][suite], strict=True)
        ]
        told = f"{moved.count((False, True))} : {moved.count((True, False))}"
        assert cell(section, "learned : corrupted", recipe) == {"text": told, "seeds": seeds}

    ours, bank, top = (over(name, gain) for name in ("default", "no_questioner", "true_labels"))
    ahead = {seed: ours[seed] - bank[seed] for seed in (0, 1)}
    check(cell(section, "mean of all: lead over no_questioner", "default"), ahead)
    share = cell(section, "mean of all: share of the gap to true_labels", "default")
    assert share["seeds"] == [1, 2]
    assert share["mean"] == pytest.approx((ours[1] + ours[2]) / (top[1] + top[2]))
    names = {row.name for rows in section.tables.values() for row in rows}
    assert "label accuracy of the silver sets" not in names, "nobody knows it"


def test_the_page_says_how_many_seeds_a_cell_has(planted: tuple[Section, Any, Any, Any]) -> None:
    page = scoreboard_page([planted[0]])
    assert "| finished seeds | 3 of 3 | 2 of 3 | 2 of 3 |" in page
    lines = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in page.splitlines() if "|" in line}
    assert "(2 seeds)" in lines["mean of all: share of the gap to true\\_labels"][0]
    assert "(2 seeds)" in lines["mean of all: lead over no\\_questioner"][0]
    assert lines["mean of all: lead over no\\_questioner"][1] == "", "nobody leads over itself"
    assert "seeds)" not in "".join(lines["mean of all: whole gain"])
    mean = 100 * cell(planted[0], "mean of all: whole gain", "default")["mean"]
    assert lines["mean of all: whole gain"][0].startswith(f"{mean:+.1f} \\[")


def test_the_first_decline_is_that_of_a_whole_interval(tmp_path: Path) -> None:
    matrix = matrix_of("default", seeds=3, changes=(PLANTED,))
    right, wrong = ({suite: state * size for suite, size in SIZES.items()} for state in "rw")
    lost = {**right, "lab/counting/pastel": "w" * 8}
    one_less = {**right, "easy_vqa": "w" + "r" * 11}
    runs = matrix.runs(tmp_path)
    assert score_figures("lab", matrix, runs).tables == {}
    plant(runs[0], {"greedy": right}, {"greedy": one_less}, {"greedy": lost}, {"greedy": wrong})
    plant(runs[1], {"greedy": right}, {"greedy": one_less}, {"greedy": right}, {"greedy": right})
    section = score_figures("lab", matrix, runs)
    found = cell(section, "iterations until the first decline", "default")
    assert found == {"text": "2 (1 of 2 seeds), none in 3 (1 of 2 seeds)", "seeds": [0, 1]}
    assert "mean of all: lead over the best baseline" not in [row.name for row in section.tables["Endpoints"]]
    plant(runs[2], {"greedy": wrong}, {"greedy": right}, {"greedy": right}, {"greedy": right})
    only = score_figures("lab", matrix, runs[2:])
    assert cell(only, "iterations until the first decline", "default")["text"] == "none in 3"


@pytest.mark.parametrize(
    ("images", "trained"), [("easy-vqa", None), ("lab/clean", "clean"), ("lab/single", "pastel"), ("lab", None)]
)
def test_the_looks_of_the_images_are_no_transfer(images: str, trained: str | None, tmp_path: Path) -> None:
    # `lab` is a folder of photos here.
    matrix = matrix_of("default", seeds=1, changes=(PLANTED, f"images={images}"))
    (run,) = matrix.runs(tmp_path)
    base = {suite: "w" * size for suite, size in SIZES.items()}
    better = {**base, "lab/counting/pastel": "r" * 4 + "w" * 4}
    plant(run, {"greedy": base}, {"greedy": better})
    section = score_figures("lab", matrix, [run])
    changes = {"pastel": 1 / 2, "clean": 0.0}
    unseen = [change for look, change in changes.items() if look != trained]
    found = cell(section, "change on looks that it did not train on", "default")
    assert found["mean"] == pytest.approx(np.mean(unseen))
    if trained:
        assert cell(section, "change on looks that it trained on", "default")["mean"] == changes[trained]


def test_one_seed_has_the_interval_of_its_items(tmp_path: Path) -> None:
    matrix = matrix_of("default", seeds=1, changes=(PLANTED,))
    (run,) = matrix.runs(tmp_path)
    base = {suite: "wd" + "r" * (size - 2) for suite, size in SIZES.items()}
    plant(run, {"greedy": base}, {"greedy": {**base, "easy_vqa": "r" * 12}})
    summary = json.loads((run.path / "summary.json").read_text())
    section = score_figures("lab", matrix, [run])
    expected = summary["macro"]["iterations"][0]["difference"]
    found = cell(section, "mean of all: whole gain", "default")
    assert found["mean"] == pytest.approx(2 / 12 / 2) and found["ci95"] == pytest.approx(expected["ci95"])
    assert cell(section, "time of a run", "default") == {"mean": 60.0, "ci95": None, "seeds": [0]}
    assert "| time of a run | 1.0 minutes |" in scoreboard_page([section])


def test_the_page_is_made_again_from_finished_runs(tmp_path: Path) -> None:
    matrices = scoreboard_matrices(["default"], 2, ["other/model"], "default", [PLANTED], 0)
    states = {suite: "r" * size for suite, size in SIZES.items()}
    plant(matrices["lab"].runs(tmp_path / "lab")[1], {"greedy": states}, {"greedy": states})
    page = tmp_path / "page.md"
    assert score(matrices, tmp_path, page, None, Console(quiet=True), go=False)
    text = page.read_text()
    assert "| finished seeds | 1 of 2 |" in text
    assert text.index("## Base lab") < text.index("## Base other/model") < text.index("No run is finished.")
    figures = json.loads((tmp_path / "scoreboard.json").read_text())
    assert [section["base"] for section in figures["sections"]] == ["lab", "other/model"]


# Real runs


@pytest.mark.long
def test_an_interrupted_scoreboard_goes_on_and_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "out", tmp_path / "page.md"
    changes = ["iterations=1", "silver.images=4", "silver.votes=2", "silver.gates=[]", "silver.labeler=majority"]
    changes += ["questioner.steps=0", "reasoner.steps=1", "reasoner.questions_per_step=2", "reasoner.group_size=2"]
    changes += ["evaluation.suites=[easy_vqa, lab/counting]", "evaluation.items_per_suite=2", "acceptance.images=0"]
    changes += ["evaluation.baseline_votes=2"]
    call = ["lab", "score", "votes", "no_questioner", "--seeds", "1", "--out", str(out), "--page", str(page)]
    call += [part for change in changes for part in ("--set", change)]
    assert main([*call, "--processes", "1"]) == 0
    assert "finished, 0 left" in capsys.readouterr().out
    whole = page.read_text()
    assert "| finished seeds | 1 of 1 | 1 of 1 |" in whole and "lab/counting" in whole

    # The second run loses its end, as if the command had been interrupted there.
    ended, kept = (out / "lab" / name / "seed-0" / "summary.json" for name in ("no_questioner", "votes"))
    ended.unlink()
    before = kept.read_bytes(), kept.stat().st_mtime_ns
    assert main([*call, "--page-only"]) == 0
    assert "| finished seeds | 1 of 1 | 0 of 1 |" in page.read_text()
    capsys.readouterr()
    assert main([*call, "--processes", "1"]) == 0
    told = capsys.readouterr().out
    assert "1 of 2 runs are finished already" in told and "no_questioner, seed 0: goes on" in told
    assert "votes, seed 0" not in told
    assert (kept.read_bytes(), kept.stat().st_mtime_ns) == before

    def figures(text: str) -> list[str]:
        return [line for line in text.splitlines() if "time of a run" not in line and "peak memory" not in line]

    assert figures(page.read_text()) == figures(whole)
