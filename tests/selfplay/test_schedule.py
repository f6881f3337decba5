"""One list of phases: what is planned is what runs, and a phase is added in one place."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.tiny_runs import TINY, tiny_run
from visplay.config import Settings, load_settings
from visplay.lab.drawings import drawings
from visplay.lab.suites.tasks import lab_suites
from visplay.report.results_page import results_markdown
from visplay.report.run_data import RunView
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay import phases, schedule
from visplay.selfplay.context import PhaseContext, RunInputs
from visplay.selfplay.run import run_evolution
from visplay.selfplay.schedule import PHASES, InputCounts, Phase, Schedule
from visplay.types import StepId


def settings(*changes: str) -> Settings:
    return load_settings("default", ["iterations=2", "questioner.steps=2", "reasoner.steps=3", *changes])


def planned(plan: Schedule, has_silver: bool = True) -> list[StepId]:
    found: list[StepId] = []
    while (step := plan.next(found[-1] if found else None, has_silver)) is not None:
        found.append(step)
    return found


def test_the_phases_are_those_of_the_paper_and_then_ours() -> None:
    assert [phase.name for phase in PHASES] == [
        "augmentations",
        "questioner",
        "silver",
        "reasoner",
        "measure",
        "accept",
    ]
    assert all(callable(getattr(phases, phase.function)) for phase in PHASES)
    assert [phase.name for phase in PHASES if phase.trains] == ["questioner", "reasoner"]


@pytest.mark.parametrize(("suites", "held_out", "items"), [(1, 4, 0), (0, 4, 0), (3, 0, 0), (0, 0, 0), (0, 0, 9)])
def test_nothing_is_planned_that_has_nothing_to_look_at(suites: int, held_out: int, items: int) -> None:
    plan = Schedule(settings(), InputCounts(images=40, held_out=held_out, validation_items=items, suites=suites))
    steps = planned(plan)
    assert len(steps) == plan.total()
    assert any(step.phase == "measure" for step in steps) == (suites > 0)
    assert {step.iteration for step in steps if step.phase == "accept"} == ({0, 1, 2} if held_out or items else set())
    assert [step.phase for step in steps if step.iteration == 1][:6] == [
        *["questioner"] * 2,
        "silver",
        *["reasoner"] * 3,
    ]
    assert [step for step in planned(plan, has_silver=False) if step.phase == "reasoner"] == []


@given(st.integers(1, 3), st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans())
def test_the_time_left_falls_by_each_step(
    iterations: int, asking: int, answering: int, suites: bool, judges: bool
) -> None:
    chosen = settings(f"iterations={iterations}", f"questioner.steps={asking}", f"reasoner.steps={answering}")
    plan = Schedule(chosen, InputCounts(9, int(judges), 0, int(suites)))
    steps = planned(plan)
    assert len(set(steps)) == plan.total()
    seconds = {phase.name: [2.0**place] for place, phase in enumerate(PHASES)}
    left = [plan.seconds_left(seconds, step) for step in steps]
    assert left[-1] == 0
    for (_, after), (before, now) in zip(pairwise(steps), pairwise(left), strict=True):
        assert before is not None and now is not None and before - now == seconds[after.phase][0]
    assert plan.seconds_left({}, steps[0]) is None


def a_made_up_phase(context: PhaseContext, at: StepId) -> None:
    """Counts the silver questions."""
    with context.logger.step(at) as record:
        record["questions"] = len(context.silver(at.iteration))


def test_a_phase_is_added_by_an_entry_and_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = Phase("count", "questions are counted", "count_questions", lambda chosen, inputs, t: 2 * int(t > 0))
    monkeypatch.setattr(schedule, "PHASES", (*PHASES[:3], made_up, *PHASES[3:]))
    monkeypatch.setattr(phases, "count_questions", a_made_up_phase, raising=False)
    run = tiny_run(tmp_path / "run", "evaluation.suites=[]", "acceptance.images=0")
    lines = read_metrics(run / "metrics.jsonl")
    silver = next(line for line in lines if line["phase"] == "silver")
    counted = [line["questions"] for line in lines if line["phase"] == "count"]
    assert counted == [silver["kept"]] * 2 and lines.index(silver) == 2
    again = tiny_run_again(run)
    assert read_metrics(again / "metrics.jsonl") == lines, "nothing is left to do"

    (run / "summary.json").unlink()
    with (run / "metrics.jsonl").open("r+b") as file:
        file.truncate(sum(len(line) for line in file.readlines()[:3]))
    page = RunView(run).read()
    assert page["status"]["words"] == "stopped: iteration 1 of 1, questions are counted, step 1 of 2; " + (
        "`visplay evolve --resume` goes on"
    )
    assert ("count", "questions are counted") in [(phase["name"], phase["doing"]) for phase in page["phases"]]


def tiny_run_again(run: Path) -> Path:
    with RunDirectory.open(run) as opened:
        inputs = RunInputs(
            drawings("clean", 12, 0)[0], tuple(lab_suites(0, 2, ["color", "counting"], ["pastel"])), None
        )
        run_evolution(opened, inputs, Console(quiet=True))
    return run


@pytest.mark.parametrize("count", [1, 4])
def test_a_run_of_fewer_than_five_images_works_to_the_end(tmp_path: Path, count: int) -> None:
    """A fifth of four images is none: nothing is held out, nothing is judged, and nobody waits for a verdict."""
    chosen = load_settings("paper-lab", [*TINY, "acceptance.images=8", "acceptance.votes=2"], {"images": "lab/clean"})
    assert chosen.acceptance.images == 8
    run = tmp_path / "run"
    with RunDirectory.create(run, chosen) as directory:
        run_evolution(directory, RunInputs(drawings("clean", count, 0)[0], (), None), Console(quiet=True))
    assert [line["phase"] for line in read_metrics(run / "metrics.jsonl")][:2] == ["questioner", "silver"]
    assert {"measure", "accept"}.isdisjoint(line["phase"] for line in read_metrics(run / "metrics.jsonl"))
    page = RunView(run).read()
    assert (
        page["status"]["state"] == "finished"
        and page["verdicts"] == []
        and "finished after" in page["status"]["words"].lower()
    )
    assert results_markdown(page)
    (run / "summary.json").unlink()
    status = RunView(run).read()["status"]
    assert status["done"] == 1, "the page does not wait for a verdict"
