"""A matrix from its first run to its table; called again, it continues.

    OUT/table.md, table.json      the figures so far
    OUT/recipe/settings.yaml      what `visplay evolve --preset` is given
    OUT/recipe/seed-S/            a run directory
    OUT/recipe/seed-S.log         what that run printed

table.json holds accuracies and their differences as fractions; `seeds` lists those that a figure was taken from, and
`silver` goes iteration by iteration:

    {"against": "default",
     "suites": {"lab/single": {"default": {"items", "change": {"mean", "ci95", "seeds"}, "lead": null},
                               "plain augmentations": {…, "lead": {"mean", "ci95", "seeds"}}}, …},
     "silver": {"default": [{"seeds", "asked", "kept", "label_accuracy", "answerable"}, …], …}}

Runs of a recipe that the matrix no longer names stay where they are, out of the table. Left out: other machines.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from visplay.config import dump_settings, load_settings
from visplay.errors import RunError
from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.statistics import mean_over_seeds
from visplay.evaluation.summary import change_of_selected, lead, selected_iteration
from visplay.evaluation.table import Table, points
from visplay.runs.files import read_json, write_json, write_whole
from visplay.tools.ablation.matrix import Matrix, Run, flat

SILVER = ("asked", "kept", "label_accuracy", "answerable")
LEGEND = (
    "Greedy accuracy of what a run hands over (its last accepted iteration), in points: the change from the base, "
    "and the lead over `{against}` with the same seed, both paired by item; mean over seeds. Intervals are 95 %: "
    "Student's over seeds, or from one seed the bootstrap's over items."
)
_PAUSE_S = 0.2  # between two looks at the processes
_Differences = Mapping[int, Mapping[str, Any]]  # by seed: `mean` and `ci95` of a difference paired by item


def ablate(matrix: Matrix, out: Path, processes: int, console: Console) -> bool:
    """Run what is not finished yet, at most `processes` at once, and keep the table up to date.

    Returns:
        Whether no run failed. A run that fails is named, and the others go on.
    Raises:
        RunError: a run in `out` was begun with other settings, or `out` cannot be used. Nothing was started then.
        ConfigError: settings of a begun run cannot be read.
    """
    runs = matrix.runs(out)
    for run in runs:
        _check_same(run)
    _write_settings(runs)
    waiting = [run for run in runs if not run.finished]
    left, failed = len(waiting), 0
    if left < len(runs):
        _tell(console, f"{len(runs) - left} of {len(runs)} runs are finished already")
    table = _keep_table(matrix, runs, out)
    for run, event in run_all(waiting, processes):
        if event in ("begins", "goes on"):
            _tell(console, f"{run}: {event}, {left} left")
            continue
        left -= 1
        failed += bool(event)
        _tell(
            console, f"{run}: failed, {left} left: {event}; see {run.log}" if event else f"{run}: finished, {left} left"
        )
        table = _keep_table(matrix, runs, out)
    _tell(console, table)
    return not failed


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def run_all(runs: Sequence[Run], most: int) -> Iterator[tuple[Run, str]]:
    """Run each in a process of its own, at most `most` at once; no process is left when the iterator ends or is closed.

    Yields:
        A run with "begins" or "goes on" when it starts; with "" when it has finished, or with why it failed.
    """
    cores = usable_cores()
    # With fewer processes than cores, something else is meant to run beside them, perhaps on the core chosen here.
    free: list[int | None] = [*cores] if most == len(cores) else [None] * most
    waiting, running = deque(runs), dict[subprocess.Popen[bytes], tuple[Run, int | None]]()
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        while waiting or running:
            while waiting and free:
                run, core = waiting.popleft(), free.pop()
                yield run, "goes on" if run.begun else "begins"
                running[_start(run, core)] = run, core
            time.sleep(_PAUSE_S)
            for process in [process for process in running if process.poll() is not None]:
                run, core = running.pop(process)
                free.append(core)
                yield run, _failure(run, process.returncode)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        signal.signal(signal.SIGTERM, before)


def _start(run: Run, core: int | None) -> subprocess.Popen[bytes]:
    """Begin or resume a run; what it prints is added to its log."""
    given = ["--resume"] if run.begun else ["--preset", str(run.preset), "--seed", str(run.settings.seed)]
    command = [sys.executable, "-m", "visplay", "evolve", "--out", str(run.path), *given]
    # Unbuffered, so that a log can be followed, and ends with the error that ended the run.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with run.log.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
    # Done from here, as little is safe between fork and exec; threads that start later stay there too.
    if core is not None and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(process.pid, {core})
    return process


def _failure(run: Run, code: int) -> str:
    """Why a process failed, in one line; empty where it did not."""
    if code <= 0:
        return f"ended by signal {-code}" if code else ""
    lines = run.log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {code}")


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that ends the runs on its way."""
    raise SystemExit(128 + number)


def _check_same(run: Run) -> None:
    if not run.begun:
        return
    ran = dict(flat(load_settings(str(run.path / "config.yaml")).model_dump()))
    asked = dict(flat(run.settings.model_dump()))
    differing = ", ".join(key for key in asked if asked[key] != ran[key])
    if differing:
        raise RunError(
            f"{run.path} was begun with another {differing} than the matrix says; "
            "put it back, rename the recipe, or choose another --out"
        )


def _write_settings(runs: Sequence[Run]) -> None:
    for run in {run.preset: run for run in runs}.values():
        try:
            run.preset.parent.mkdir(parents=True, exist_ok=True)
            write_whole(run.preset, dump_settings(run.settings.model_copy(update={"seed": 0})))
        except OSError as error:
            raise RunError(f"cannot use {run.preset.parent}: {(error.strerror or str(error)).lower()}") from None


def _keep_table(matrix: Matrix, runs: Sequence[Run], out: Path) -> str:
    figures = ablation_figures(matrix, runs)
    write_json(out / "table.json", figures)
    write_whole(out / "table.md", ablation_table(figures))
    return ablation_table(figures)


def _tell(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)


def ablation_figures(matrix: Matrix, runs: Sequence[Run]) -> dict[str, Any]:
    """JSON-able figures of the finished ones among `runs`.

    Raises:
        RunError: a summary is damaged.
    """
    summaries: dict[str, dict[int, dict[str, Any]]] = {}
    handed: dict[tuple[str, int], Measurement] = {}
    for run in sorted((run for run in runs if run.finished), key=lambda run: list(matrix.recipes).index(run.recipe)):
        summary = read_json(run.path / "summary.json")
        file = run.path / "measurements" / f"iteration-{selected_iteration(summary)}.jsonl"
        summaries.setdefault(run.recipe, {})[run.settings.seed] = summary
        handed[run.recipe, run.settings.seed] = Measurement.load(file) if file.exists() else Measurement({})
    leads = {
        (recipe, seed): lead([last], [handed[matrix.against, seed]])
        for (recipe, seed), last in handed.items()
        if recipe != matrix.against and (matrix.against, seed) in handed
    }
    measured = dict.fromkeys(name for each in summaries.values() for one in each.values() for name in one["suites"])

    def figures(suite: str, recipe: str) -> dict[str, Any]:
        by_seed = summaries[recipe]
        ahead = {seed: found[suite][-1] for (name, seed), found in leads.items() if name == recipe}
        return {
            "items": next(iter(by_seed.values()))["suites"][suite]["base"]["n"],
            "change": _over_seeds({seed: change_of_selected(summary, suite) for seed, summary in by_seed.items()}),
            "lead": _over_seeds(ahead) if ahead else None,
        }

    return {
        "against": matrix.against,
        "suites": {
            suite: {recipe: figures(suite, recipe) for recipe in summaries}
            for suite in matrix.suites or [name for name in measured if task_of(name) is None]
        },
        "silver": {recipe: _silver(by_seed) for recipe, by_seed in summaries.items()},
    }


def _over_seeds(differences: _Differences) -> dict[str, Any]:
    mean = mean_over_seeds([difference["mean"] for difference in differences.values()])
    # A single seed has no interval over seeds; that of its own items stands in.
    ci95 = mean.ci95 or next(iter(differences.values()))["ci95"]
    return {"mean": mean.mean, "ci95": list(ci95), "seeds": list(differences)}


def _silver(by_seed: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    sets = {seed: summary["silver"] for seed, summary in by_seed.items()}
    return [
        {"seeds": [seed for seed in sets if place < len(sets[seed])]}
        | {key: _mean([each[place].get(key) for each in sets.values() if place < len(each)]) for key in SILVER}
        for place in range(max(len(each) for each in sets.values()))
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of the known values; None when none is known."""
    known = [value for value in values if value is not None]
    return mean_over_seeds(known).mean if known else None


def ablation_table(figures: Mapping[str, Any]) -> str:
    """Markdown of what `ablation_figures` returned."""
    columns = ("suite", "recipe", "seeds", "items", "change from the base", f"ahead of {figures['against']}")
    silver = ("silver set of", "iteration", "seeds", *(key.replace("_", " ") for key in SILVER))
    return "\n\n".join(
        [
            LEGEND.format(against=figures["against"]),
            Table("", columns, tuple(_suite_rows(figures))).markdown(),
            "Silver sets, mean over seeds.",
            Table("", silver, tuple(_silver_rows(figures))).markdown() + "\n",
        ]
    )


def _suite_rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for suite, recipes in figures["suites"].items():
        for recipe, row in recipes.items():
            seeds = len(row["change"]["seeds"])
            cells = (_points(row[key], seeds) for key in ("change", "lead"))
            yield suite, recipe, str(seeds), str(row["items"]), *cells


def _points(difference: Mapping[str, Any] | None, seeds: int) -> str:
    if difference is None:
        return ""
    count = len(difference["seeds"])
    few = f" ({count} of {seeds} seeds)" if count < seeds else ""
    return points(difference["mean"], difference["ci95"]) + few


def _silver_rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for recipe, iterations in figures["silver"].items():
        for number, row in enumerate(iterations, start=1):
            counts = ["" if row[key] is None else f"{row[key]:.0f}" for key in ("asked", "kept")]
            shares = ["" if row[key] is None else f"{row[key]:.3f}" for key in ("label_accuracy", "answerable")]
            yield recipe, str(number), str(len(row["seeds"])), *counts, *shares
