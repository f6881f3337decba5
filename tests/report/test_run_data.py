"""What a page is told of a run: while it goes, while it writes, after it stopped or ended."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.report.planted import SETTINGS, Written, silver_set
from visplay.config import load_settings
from visplay.errors import RunError
from visplay.evaluation.results import Measurement
from visplay.evaluation.summary import suites_summary
from visplay.report.run_data import RunView, duration
from visplay.runs import RunDirectory, in_use
from visplay.runs.files import write_json
from visplay.selfplay.schedule import INPUTS_FILE, InputCounts

HOLDER = """
import sys
from visplay.runs import RunDirectory
with RunDirectory.open(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_where_a_run_is_follows_from_its_last_line(written: Written) -> None:
    view = RunView(written.path)
    places = []

    def note() -> None:
        status = view.read()["status"]
        places.append((status["state"], status["iteration"], status["phase"], status["step"], status["steps"]))

    note()
    written.measure(0, 5)
    note()
    written.line("accept", 0, 0)
    note()
    written.line("questioner", 1, 0, reward=0.1)
    note()
    written.line("questioner", 1, 1, reward=0.2)
    note()
    written.silver(1, silver_set())
    note()
    assert places == [
        ("running", 0, "measure", 1, 1),
        ("running", 0, "accept", 1, 1),
        ("running", 1, "questioner", 1, 2),
        ("running", 1, "questioner", 2, 2),
        ("running", 1, "silver", 1, 1),
        ("running", 1, "reasoner", 1, 3),
    ]
    assert view.read()["status"]["words"] == "running: iteration 1 of 2, the Reasoner learns, step 1 of 3"
    assert view.read()["status"]["done"] == pytest.approx(5 / 18)


def test_without_a_silver_set_the_reasoner_has_nothing_to_do(written: Written) -> None:
    written.begin()
    written.silver(1, silver_set(), kept=0)
    assert RunView(written.path).read()["status"]["phase"] == "measure"


def test_time_left_is_known_once_every_phase_was_seen(written: Written) -> None:
    view = RunView(written.path)
    written.begin()
    for step in range(2):
        written.line("questioner", 1, step, seconds=3.0)
        assert view.read()["status"]["seconds_left"] is None
    written.silver(1, silver_set())
    for step in range(3):
        written.line("reasoner", 1, step, seconds=5.0)
    written.measure(1, 6)
    left = view.read()["status"]["seconds_left"]
    # Acceptance now, then a whole iteration: 2 + (2 x 3 + 2 + 3 x 5 + 2 + 2), less what the step under way has had.
    assert left is not None and 27.0 <= left <= 29.0
    assert "about 2" in view.read()["status"]["words"] and "seconds left" in view.read()["status"]["words"]


def test_only_a_run_that_a_process_holds_is_going(tmp_path: Path) -> None:
    path = tmp_path / "run"
    RunDirectory.create(path, load_settings("default", SETTINGS)).close()
    assert not in_use(path) and RunView(path).read()["status"]["state"] == "stopped"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    assert in_use(path) and RunView(path).read()["status"]["state"] == "running"
    holder.communicate("")
    assert not in_use(path)
    assert (
        RunView(path).read()["status"]["words"].startswith("stopped: before the first iteration, suites are measured")
    )


def test_looking_never_keeps_a_run_out(tmp_path: Path) -> None:
    path = tmp_path / "run"
    RunDirectory.create(path, load_settings("default", SETTINGS)).close()
    looking = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom visplay.runs import in_use\nwhile True: in_use(__import__('pathlib').Path(sys.argv[1]))",
            str(path),
        ],
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    until = time.monotonic() + 1.5
    try:
        while time.monotonic() < until:
            RunDirectory.open(path).close()
    finally:
        looking.kill()
        looking.wait()


def test_nothing_of_a_run_is_written_by_looking(written: Written) -> None:
    written.begin()
    before = {path: path.stat().st_mtime_ns for path in written.path.rglob("*")}
    view = RunView(written.path)
    view.read()
    view.version()
    assert {path: path.stat().st_mtime_ns for path in written.path.rglob("*")} == before


def test_a_line_that_is_being_written_waits_for_the_next_look(written: Written) -> None:
    view = RunView(written.path)
    written.line("questioner", 1, 0, reward=0.5)
    with (written.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"phase": "questioner", "iteration": 1, "st')
        file.flush()
        (curve,) = [curve for curve in view.read()["curves"] if curve["name"] == "reward"]
        assert curve["y"] == [0.5]
        file.write(b'ep": 1, "reward": 0.75, "time": {}}\n')
    (curve,) = [curve for curve in view.read()["curves"] if curve["name"] == "reward"]
    assert (curve["step"], curve["y"]) == ([0, 1], [0.5, 0.75])


def test_a_curve_goes_through_the_run(written: Written) -> None:
    for iteration in (1, 2):
        for step in range(2):
            written.line("questioner", iteration, step, reward=iteration + step / 10, kl=None, note="x")
        for step in range(3):
            written.line("reasoner", iteration, step, reward=0.5)
    curves = {(curve["phase"], curve["name"]): curve for curve in RunView(written.path).read()["curves"]}
    assert curves.keys() == {("questioner", "reward"), ("reasoner", "reward")}
    assert curves["questioner", "reward"]["iteration"] == [1, 1, 2, 2]
    assert curves["questioner", "reward"]["y"] == [1.0, 1.1, 2.0, 2.1]
    assert curves["reasoner", "reward"]["step"] == [0, 1, 2, 0, 1, 2]


def test_suites_of_a_going_run_are_those_of_its_summary(written: Written) -> None:
    view = RunView(written.path)
    written.measure(0, 5)
    series, *others = view.read()["suites"]
    assert [one["decoding"] for one in others] == ["tolerant", "answered"]
    assert (series["suite"], series["decoding"], series["task"]) == ("lab/single", "greedy", None)
    assert series["base"].keys() == {"iteration", "accuracy", "ci95", "n", "declined"} and series["iterations"] == []
    assert (series["base"]["accuracy"], series["base"]["n"]) == (0.5, 10)
    written.measure(1, 8)
    # Marks whose line is still to come may be half written.
    (written.path / "measurements" / "iteration-2.jsonl").write_text('{"decoding": "greedy", "su')
    going = view.read()["suites"]
    (after,) = going[0]["iterations"]
    assert (after["iteration"], after["accuracy"]) == (1, 0.8)
    assert after["difference"]["mean"] == pytest.approx(0.3) and after["ci95"][0] < 0.8 < after["ci95"][1]
    base, one = (Measurement.load(written.path / "measurements" / f"iteration-{t}.jsonl") for t in (0, 1))
    written.run.write_summary({"suites": suites_summary(base, [one]), "seconds": 60.0})
    finished, started = (sorted(json.loads(json.dumps(each)), key=str) for each in (view.read()["suites"], going))
    assert finished == started


def test_a_finished_run_says_so(written: Written) -> None:
    written.begin()
    written.run.write_summary({"suites": {}, "seconds": 4000.0})
    status = RunView(written.path).read()["status"]
    assert (status["state"], status["done"], status["seconds_left"]) == ("finished", 1.0, None)
    assert status["words"] == "finished after 67 minutes"


def test_silver_sets_are_told_with_every_gate_and_the_band(written: Written) -> None:
    written.begin()
    written.silver(1, silver_set(), label_accuracy=0.5, answerable=1.0)
    (panel,) = RunView(written.path).read()["silver"]
    assert (panel["asked"], panel["candidates"], panel["kept"], panel["unlabelled"]) == (4, 4, 2, 1)
    assert (
        panel["dropped"] == {"answered": 0, "needs_image": 0, "band": 1} and next(iter(panel["dropped"])) == "answered"
    )
    assert sum(panel["confidence_histogram"]) == 4 and panel["confidence_histogram"][9] == 1
    assert panel["band"] == [0.6, 1.0] and panel["band_above_chance"]
    assert panel["types"] == {"multiple choice": 1, "numerical": 1, "open": 2}
    assert panel["label_accuracy"] == 0.5 and "paper_kept" not in panel


def test_verdicts_are_told_with_what_the_labelled_items_say(written: Written) -> None:
    written.begin()
    labelled = {"validation_change": -0.1, "validation_ci95": [-0.2, -0.05], "validation_p_mcnemar": 0.01}
    labelled |= {"validation_items": 24, "validation_accuracy": 0.5}
    written.line("accept", 1, 0, accepted=False, against=0, kept_change=-0.5, kept_ci95=[-0.7, None], **labelled)
    (verdict,) = RunView(written.path).read()["verdicts"]
    assert (verdict["iteration"], verdict["accepted"], verdict["against"]) == (1, False, 0)
    assert (verdict["kept_change"], verdict["kept_ci95"]) == (-0.5, [-0.7, None]) and "agreement_change" not in verdict
    assert verdict["validation_ci95"] == [-0.2, -0.05] and verdict["validation_items"] == 24


def test_the_page_plans_by_what_the_run_counted(written: Written) -> None:
    """Of four images none is held out, so no verdict is waited for; without suites nothing is measured."""
    view = RunView(written.path)
    assert view.read()["status"]["phase"] == "measure", "the settings ask for suites and held-out images"
    write_json(written.path / INPUTS_FILE, asdict(InputCounts(images=4, held_out=0, validation_items=0, suites=0)))
    assert view.read()["status"]["phase"] == "questioner"
    for t in (1, 2):
        for step in range(2):
            written.line("questioner", t, step)
        written.silver(t, silver_set())
        for step in range(3):
            written.line("reasoner", t, step)
    status = view.read()["status"]
    assert status["done"] == 1 and status["seconds_left"] == 0


def test_all_of_it_is_json_and_nothing_tells_of_this_machine(written: Written) -> None:
    written.begin()
    written.silver(1, silver_set())
    text = json.dumps(RunView(written.path).overview(), allow_nan=False)
    assert json.loads(text)["page"]["silver"][0]["kept"] == 2
    assert str(written.path) not in text


def test_the_version_changes_with_what_is_told(written: Written) -> None:
    view = RunView(written.path)
    seen = {view.version()}
    assert view.version() in seen
    for change in (written.begin, lambda: written.silver(1, silver_set()), written.run.close):
        change()
        assert view.version() not in seen
        seen.add(view.version())


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run at .* pass the folder given to `visplay evolve --out`"):
        RunView(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1.2, "1 second"),
        (90, "90 seconds"),
        (119, "2 minutes"),
        (6010, "1 hour 40 minutes"),
        (12000, "3 hours 20 minutes"),
    ],
)
def test_durations_read_like_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
