"""`visplay lab ablate`: runs each recipe with each seed in its own process, and compares the recipes in a table.

The same call continues unfinished runs. docs/comparing.md describes the matrix file and the output.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import Any

from pydantic import Field, ValidationError
from rich.console import Console

from visplay.config import Settings, load_settings
from visplay.config.yaml_file import named_modules, read_yaml_file
from visplay.distributed.children import end, start
from visplay.errors import ConfigError, EvaluationError, RunError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.statistics import mean_over_seeds
from visplay.evaluation.summary import change_of_selected, lead, selected_iteration
from visplay.evaluation.table import Table, points
from visplay.interfaces.component import Section, problems
from visplay.runs.files import read_json, write_json, write_whole
from visplay.runs.open_run import legible
from visplay.selfplay.controls import CEILING, control_changes
from visplay.selfplay.outcome import EXIT_LEARNED_NOTHING

SILVER = {"asked": ".0f", "kept": ".0f", "label_accuracy": ".3f", "answerable": ".3f", "reward_accuracy": ".3f"}
LEGEND = (
    "Greedy accuracy of what a run hands over (its last accepted iteration), in points: the change from the base, "
    "and the lead over `{against}` with the same seed, both paired by item; mean over seeds. Intervals are 95 %: "
    "Student's over seeds, or from one seed that over its items."
)
_PAUSE_S = 0.2  # between two looks at the processes


@dataclass(frozen=True, slots=True)
class Run:
    """One recipe with one seed; `flags` are those of `visplay evolve`, `path` is the run directory."""

    recipe: str
    settings: Settings
    flags: tuple[str, ...]
    path: Path

    def __str__(self) -> str:
        return f"{self.recipe}, seed {self.settings.seed}"

    @property
    def begun(self) -> bool:
        return (self.path / "config.yaml").exists()

    @property
    def finished(self) -> bool:
        return (self.path / "summary.json").exists()

    @property
    def log(self) -> Path:
        return self.path.with_name(f"{self.path.name}.log")


class Matrix(Section):
    """The content of a matrix file."""

    preset: str = "default"
    seeds: tuple[int, ...] = Field(min_length=1)
    settings: dict[str, Any] = Field({})
    recipes: dict[str, dict[str, Any]] = Field(min_length=1)
    suites: tuple[str, ...] | None = Field(None, min_length=1)

    @property
    def ceiling(self) -> str | None:
        """The recipe whose control is true labels, if there is one."""
        return self.recipe_of(CEILING)

    def recipe_of(self, control: str) -> str | None:
        """The first recipe that is this control, if there is one."""
        return next((name for name, own in self.recipes.items() if own.get("control") == control), None)

    def runs(self, out: Path, trust_remote_code: bool = False) -> list[Run]:
        """Every recipe with the first seed, then with the next, so that an early look compares recipes."""
        return [self._run(recipe, seed, out, trust_remote_code) for seed in self.seeds for recipe in self.recipes]

    def _run(self, recipe: str, seed: int, out: Path, trusted: bool) -> Run:
        own = dict(self.recipes[recipe])
        control, preset = own.pop("control", None), str(own.pop("preset", self.preset))
        changes = [*flat(self.settings), *flat(own)]
        if "seed" in dict(changes):
            raise ConfigError(f"recipe '{recipe}': seed: every recipe takes those listed under 'seeds'")
        try:
            settings = load_settings(preset, _overrides(changes), {"seed": seed}, trust_remote_code=trusted)
            if control is not None:
                changes += control_changes(str(control), settings).items()
                settings = load_settings(preset, _overrides(changes), {"seed": seed}, trust_remote_code=trusted)
        except ConfigError as error:
            raise ConfigError(f"recipe '{recipe}': {error}") from None
        overrides = _overrides(changes)
        flags = ("--preset", preset, "--seed", str(seed), *(f"--set={override}" for override in overrides))
        return Run(recipe, settings, flags, out / folder_name(recipe) / f"seed-{seed}")


def folder_name(name: str) -> str:
    """A name as that of a folder: letters, digits, `_` and `-`."""
    return re.sub(r"[^\w-]+", "-", name).strip("-")


def read_matrix(path: Path) -> Matrix:
    """The matrix in a file, in which every run has valid settings.

    Raises:
        ConfigError: the file cannot be read, a setting of a recipe is wrong, or recipes cannot be compared.
    """
    values = read_yaml_file(path)
    try:
        matrix = Matrix.model_validate(values)
        check_matrix(matrix)
    except ValidationError as error:
        raise ConfigError(f"{path}: {problems(error, Matrix)}") from None
    except (ConfigError, EvaluationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return matrix


def check_matrix(matrix: Matrix) -> None:
    """Refuse a matrix whose recipes cannot be compared.

    Raises:
        ConfigError: recipes share a folder or are evaluated in different ways, or a setting is wrong.
        EvaluationError: a suite cannot be opened.
    """
    runs = matrix.runs(Path())
    if len({run.path for run in runs}) < len(runs):
        raise ConfigError("a seed is there twice, or two recipes would share a folder; rename one")
    shared = runs[0].settings.evaluation
    for run in runs:
        # Accuracies on different items could not be paired.
        if run.settings.evaluation != shared:
            raise ConfigError(f"recipe '{run.recipe}' is evaluated in another way; set that under 'settings'")
    if not shared.before:
        raise ConfigError("evaluation.before must be true: the table tells changes from the base")
    looks = [suite.name for suite in open_suites(shared.suites, seed=0, items_per_suite=1)]
    tasks = dict.fromkeys(task_of(name) or name for name in looks)
    for name in matrix.suites or ():
        if name not in (*tasks, *looks):
            raise ConfigError(f"suites: '{name}' is not measured; choose from {', '.join(tasks)}, or a look")


def flat(values: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values, in order; a component, which is a mapping with a type, is a value."""
    for key, value in values.items():
        if isinstance(value, Mapping) and "type" not in value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _overrides(changes: Sequence[tuple[str, Any]]) -> list[str]:
    """The texts of `--set`, which may name code: a key with a "=" would hide a value in it."""
    for key, value in changes:
        if "=" in key:
            raise ConfigError(f"'{key[:200]}' is no name of a setting")
        try:
            json.dumps(value)
        except TypeError:  # YAML has sets and bytes
            raise ConfigError(f"{key}: the value is none that a setting has") from None
    return [f"{key}={json.dumps(value)}" for key, value in changes]


def ablate(
    matrix: Matrix, out: Path, processes: int | None, console: Console, *, trust_remote_code: bool = False
) -> bool:
    """Run the unfinished runs, at most `processes` at once (None: one for each core), and update the table.

    Returns:
        True if no run failed. The name of a failed run is printed, and the other runs continue.
    Raises:
        RunError: a run in `out` has other settings, or `out` cannot be used. No run was started.
        ConfigError: the settings of an existing run cannot be read.
    """
    runs = matrix.runs(out, trust_remote_code)
    return complete(runs, processes, console, lambda: _keep_table(matrix, runs, out))


def complete(runs: Sequence[Run], processes: int | None, console: Console, keep: Callable[[], str]) -> bool:
    """Run the unfinished of the runs as `ablate` does; `keep` writes a table of the finished ones and returns it."""
    refuse_other_settings(runs)
    for run in runs:
        try:
            run.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot use {run.path.parent}: {(error.strerror or str(error)).lower()}") from None
    waiting = [run for run in runs if not run.finished]
    left, failed = len(waiting), 0
    if left < len(runs):
        console.print(f"{len(runs) - left} of {len(runs)} runs are finished already")
    table = keep()
    for run, event in run_all(waiting, processes or os.cpu_count() or 1):
        if event not in ("begins", "goes on"):
            left -= 1
            failed += not event.startswith("finished")
            table = keep()
        console.print(f"{run}: {event}, {left} left")
    console.print(table)
    return not failed


def refuse_other_settings(runs: Sequence[Run]) -> None:
    """Refuse runs that were begun with other settings; a RunError."""
    for run in runs:
        begun = load_settings(str(run.path / "config.yaml")) if run.begun else run.settings
        ran = dict(flat(begun.model_dump()))
        differing = [key for key, value in flat(run.settings.model_dump()) if value != ran.get(key)]
        if differing:
            raise RunError(
                f"{run.path} was begun with another {', '.join(differing)} than the matrix says; "
                "put it back, rename the recipe, or choose another --out"
            )


def run_all(runs: Sequence[Run], most: int) -> Iterator[tuple[Run, str]]:
    """Run each in its own process, at most `most` at once; no process remains when the iterator ends or is closed.

    Yields:
        A run at its start, with "begins" or "goes on"; and at its end, with "finished" or the reason of its failure.
    """
    waiting, running = list(runs), dict[subprocess.Popen[bytes], Run]()
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_DFL:  # the program `visplay` has a handler of its own
        signal.signal(signal.SIGTERM, _leave)
    try:
        while waiting or running:
            while waiting and len(running) < most:
                run = waiting.pop(0)
                yield run, "goes on" if run.begun else "begins"
                running[_start(run)] = run
            time.sleep(_PAUSE_S)
            for process in [process for process in running if process.poll() is not None]:
                run = running.pop(process)
                yield run, _result(run, process.returncode)
    finally:
        end(running)
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that ends the runs on its way."""
    raise SystemExit(128 + number)


def _start(run: Run) -> subprocess.Popen[bytes]:
    """Begin or resume a run; what it prints is added to its log."""
    flags = ["--resume"] if run.begun else run.flags
    # What this command trusts, its processes trust; the files of a run cannot say so.
    trusted = [f"--import={module}" for module in sorted(set(named_modules(run.settings.model_dump(mode="json"))))]
    trusted += ["--trust-remote-code"] if run.settings.trust_remote_code else []
    # Unbuffered, so that a log can be followed, and ends with the error that ended the run.
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with run.log.open("ab") as log:
        return start(["evolve", "--out", str(run.path), *flags, *trusted], environment, log)


def _result(run: Run, code: int) -> str:
    """The end of a process in one line: "finished", or the reason of its failure."""
    if code in (0, EXIT_LEARNED_NOTHING):
        return "finished" if code == 0 else "finished, and learned nothing"
    last_line = run.log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2].strip()
    return f"failed ({last_line if code > 0 else f'signal {-code}'}; see {run.log})"


def _keep_table(matrix: Matrix, runs: Sequence[Run], out: Path) -> str:
    with legible(out):
        figures = ablation_figures(matrix, runs)
        table = ablation_table(figures)
    write_json(out / "table.json", figures)
    write_whole(out / "table.md", table)
    return table


def ablation_figures(matrix: Matrix, runs: Sequence[Run]) -> dict[str, Any]:
    """Figures of the finished runs as JSON values: rows of suites and recipes, and rows of silver sets.

    Raises:
        RunError: a summary is damaged.
    """
    against = next(iter(matrix.recipes))
    summaries: dict[str, dict[int, Any]] = {recipe: {} for recipe in matrix.recipes}
    handed: dict[tuple[str, int], Measurement] = {}
    for run in (run for run in runs if run.finished):
        summary = read_json(run.path / "summary.json")
        iteration = selected_iteration(summary)
        file = run.path / "measurements" / f"iteration-{iteration}.jsonl"
        measured = file.exists() or (iteration > 0 and summary["suites"])
        summaries[run.recipe][run.settings.seed] = summary
        handed[run.recipe, run.settings.seed] = Measurement.load(file) if measured else Measurement({})
    summaries = {recipe: by_seed for recipe, by_seed in summaries.items() if by_seed}
    measured = dict.fromkeys(name for each in summaries.values() for one in each.values() for name in one["suites"])

    def row(suite: str, recipe: str, by_seed: Mapping[int, Any]) -> dict[str, Any]:
        compared = [seed for seed in by_seed if recipe != against and (against, seed) in handed]
        leads = {seed: lead([handed[recipe, seed]], [handed[against, seed]])[suite][0] for seed in compared}
        changes = {seed: change_of_selected(summary, suite) for seed, summary in by_seed.items()}
        tops = {seed: change_of_selected(each, suite) for seed, each in summaries.get(matrix.ceiling or "", {}).items()}
        items = next(iter(by_seed.values()))["suites"][suite]["base"]["n"]
        figures = {"change": over_seeds(changes), "lead": over_seeds(leads) if leads else None}
        return {"suite": suite, "recipe": recipe, "items": items, **figures, "gap_closed": _gap_closed(changes, tops)}

    suites = matrix.suites or [name for name in measured if task_of(name) is None]
    return {
        "against": against,
        "ceiling": matrix.ceiling,
        "suites": [row(suite, *recipe) for suite in suites for recipe in summaries.items()],
        "silver": [row for recipe, by_seed in summaries.items() for row in _silver(recipe, by_seed)],
    }


def _gap_closed(changes: Mapping[int, Mapping[str, Any]], tops: Mapping[int, Mapping[str, Any]]) -> float | None:
    """The mean change as a share of the ceiling's, over the seeds of both; None if the ceiling gained nothing."""
    most, ours = (sum(each[seed]["mean"] for seed in changes.keys() & tops.keys()) for each in (tops, changes))
    return ours / most if most > 0 else None


def over_seeds(differences: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of figures by seed (`mean`, and `ci95` where it is known), its interval, and the seeds."""
    mean = mean_over_seeds([difference["mean"] for difference in differences.values()])
    # A single seed has no interval over seeds, so the interval over its items is used.
    ci95 = mean.ci95 or next(iter(differences.values())).get("ci95")
    return {"mean": mean.mean, "ci95": list(ci95) if ci95 else None, "seeds": list(differences)}


def _silver(recipe: str, summaries: Mapping[int, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each iteration, the means of its known figures over the seeds that reached it."""
    for place in range(max(len(summary["silver"]) for summary in summaries.values())):
        sets = {seed: each["silver"][place] for seed, each in summaries.items() if place < len(each["silver"])}
        known = {key: [one[key] for one in sets.values() if one.get(key) is not None] for key in SILVER}
        means = {key: fmean(values) if values else None for key, values in known.items()}
        yield {"recipe": recipe, "iteration": place + 1, "seeds": list(sets), **means}


def ablation_table(figures: Mapping[str, Any]) -> str:
    """Markdown of what `ablation_figures` returned."""
    against = figures["against"]
    gap = (f"share of the gap to {figures['ceiling']}",) if figures["ceiling"] else ()
    columns = ("suite", "recipe", "seeds", "items", "change from the base", f"ahead of {against}", *gap)
    silver_columns = ("silver set of", "iteration", "seeds", *(key.replace("_", " ") for key in SILVER))
    parts = [
        LEGEND.format(against=against),
        Table("", columns, tuple(_cells(row)[: len(columns)] for row in figures["suites"])).markdown(),
        "Silver sets, mean over seeds.",
        Table("", silver_columns, tuple(_silver_cells(row) for row in figures["silver"])).markdown(),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    change, ahead = row["change"], row["lead"]
    seeds = len(change["seeds"])
    few = f" ({len(ahead['seeds'])} of {seeds} seeds)" if ahead and len(ahead["seeds"]) < seeds else ""
    leads = points(ahead["mean"], ahead["ci95"]) + few if ahead else ""
    closed = "" if row["gap_closed"] is None else f"{row['gap_closed']:.2f}"
    changed = points(change["mean"], change["ci95"])
    return row["suite"], row["recipe"], str(seeds), str(row["items"]), changed, leads, closed


def _silver_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    known = ("" if row[key] is None else format(row[key], form) for key, form in SILVER.items())
    return row["recipe"], str(row["iteration"]), str(len(row["seeds"])), *known
