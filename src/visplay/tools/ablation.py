"""`visplay lab ablate`: recipes by seeds, a process each, and the table that compares them.

The same call again goes on. The file of a matrix, and what comes of it, are in docs/comparing.md.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import Any

import yaml
from pydantic import Field, ValidationError
from rich.console import Console

from visplay.config import Settings, check_settings, dump_settings, load_settings
from visplay.config.loading import change_setting
from visplay.errors import ConfigError, EvaluationError, RunError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.statistics import mean_over_seeds
from visplay.evaluation.summary import change_of_selected, lead, selected_iteration
from visplay.evaluation.table import Table, points
from visplay.interfaces.component import Section, problems
from visplay.runs.state import read_json, write_json, write_whole

SILVER = {"asked": ".0f", "kept": ".0f", "label_accuracy": ".3f", "answerable": ".3f"}
LEGEND = (
    "Greedy accuracy of what a run hands over (its last accepted iteration), in points: the change from the base, "
    "and the lead over `{against}` with the same seed, both paired by item; mean over seeds. Intervals are 95 %: "
    "Student's over seeds, or from one seed the bootstrap's over items."
)
_PAUSE_S = 0.2  # between two looks at the processes
_BySeed = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """One recipe with one seed; `path` is the run directory."""

    recipe: str
    settings: Settings
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
    def preset(self) -> Path:
        return self.path.parent / "settings.yaml"

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

    def runs(self, out: Path) -> list[Run]:
        """Every recipe with the first seed, then with the next, so that an early look compares recipes."""
        return [
            Run(recipe, self._settings_of(recipe, seed), out / _folder(recipe) / f"seed-{seed}")
            for seed in self.seeds
            for recipe in self.recipes
        ]

    def _settings_of(self, recipe: str, seed: int) -> Settings:
        values = load_settings(self.preset).model_dump(mode="json", exclude={"seed"})
        try:
            for key, value in [*_flat(self.settings), *_flat(self.recipes[recipe])]:
                change_setting(values, key, value)
            if "seed" in values:
                raise ConfigError("seed: every recipe takes those listed under 'seeds'")
        except ConfigError as error:
            raise ConfigError(f"recipe '{recipe}': {error}") from None
        return check_settings(values | {"seed": seed}, f"recipe '{recipe}'")


def read_matrix(path: Path) -> Matrix:
    """A matrix whose every run has valid settings.

    Raises:
        ConfigError: the file cannot be read, a setting of a recipe is wrong, or recipes cannot be compared.
    """
    try:
        matrix = Matrix.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        _check(matrix)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"cannot read {path} as UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {problems(error)}") from None
    except (ConfigError, EvaluationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return matrix


def _check(matrix: Matrix) -> None:
    runs = matrix.runs(Path())
    places = [str(run.path).casefold() for run in runs]  # some file systems do not distinguish case
    shared = runs[0].settings.evaluation
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1 or run.path.parent == Path():
            raise ConfigError(f"{run} needs a seed of its own, and a name whose letters and digits no other recipe has")
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


def _flat(values: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values, in order; a component, which is a mapping with a type, is a value."""
    for key, value in values.items():
        if isinstance(value, Mapping) and "type" not in value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _folder(recipe: str) -> str:
    """A recipe's name as a folder's: letters, digits, and hyphens for all else."""
    return re.sub(r"[^\w-]+", "-", recipe).strip("-")


def ablate(matrix: Matrix, out: Path, processes: int | None, console: Console) -> bool:
    """Run what is not finished yet, at most `processes` at once (None: one for each core), and keep the table.

    Returns:
        Whether no run failed. A run that fails is named, and the others go on.
    Raises:
        RunError: a run in `out` was begun with other settings, or `out` cannot be used. Nothing was started then.
        ConfigError: settings of a begun run cannot be read.
    """
    runs = matrix.runs(out)
    _prepare(runs)
    waiting = [run for run in runs if not run.finished]
    left, failed = len(waiting), 0
    if left < len(runs):
        console.print(f"{len(runs) - left} of {len(runs)} runs are finished already", highlight=False, markup=False)
    table = _keep_table(matrix, runs, out)
    for run, event in run_all(waiting, processes or os.cpu_count() or 1):
        if event not in ("begins", "goes on"):
            left -= 1
            failed += event != "finished"
            table = _keep_table(matrix, runs, out)
        console.print(f"{run}: {event}, {left} left", highlight=False, markup=False)
    console.print(table, highlight=False, markup=False)
    return not failed


def _prepare(runs: Sequence[Run]) -> None:
    """Refuse runs that were begun with other settings, then write the settings of each recipe."""
    for run in filter(lambda run: run.begun, runs):
        ran = dict(_flat(load_settings(str(run.path / "config.yaml")).model_dump()))
        differing = [key for key, value in _flat(run.settings.model_dump()) if value != ran[key]]
        if differing:
            raise RunError(
                f"{run.path} was begun with another {', '.join(differing)} than the matrix says; "
                "put it back, rename the recipe, or choose another --out"
            )
    for run in runs:
        try:
            run.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(run.preset, dump_settings(run.settings.model_copy(update={"seed": 0})))
        except OSError as error:
            raise RunError(f"cannot use {run.path.parent}: {(error.strerror or str(error)).lower()}") from None


def run_all(runs: Sequence[Run], most: int) -> Iterator[tuple[Run, str]]:
    """Run each in a process of its own, at most `most` at once; no process is left when the iterator ends or is closed.

    Yields:
        A run with "begins" or "goes on" when it starts; with "finished" or why it failed when it ends.
    """
    waiting, running = deque(runs), dict[subprocess.Popen[bytes], Run]()
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        while waiting or running:
            while waiting and len(running) < most:
                run = waiting.popleft()
                yield run, "goes on" if run.begun else "begins"
                running[_start(run)] = run
            time.sleep(_PAUSE_S)
            for process in [process for process in running if process.poll() is not None]:
                run = running.pop(process)
                yield run, _result(run, process.returncode)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        signal.signal(signal.SIGTERM, before)


def _start(run: Run) -> subprocess.Popen[bytes]:
    """Begin or resume a run; what it prints is added to its log."""
    given = ["--resume"] if run.begun else ["--preset", str(run.preset), "--seed", str(run.settings.seed)]
    command = [sys.executable, "-m", "visplay", "evolve", "--out", str(run.path), *given]
    # Unbuffered, so that a log can be followed, and ends with the error that ended the run.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with run.log.open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)


def _result(run: Run, code: int) -> str:
    """How a process ended, in one line: "finished", or why it failed."""
    if code == 0:
        return "finished"
    last_line = run.log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2].strip()
    return f"failed ({last_line if code > 0 else f'signal {-code}'}; see {run.log})"


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that ends the runs on its way."""
    raise SystemExit(128 + number)


def _keep_table(matrix: Matrix, runs: Sequence[Run], out: Path) -> str:
    figures = ablation_figures(matrix, runs)
    table = ablation_table(figures)
    write_json(out / "table.json", figures)
    write_whole(out / "table.md", table)
    return table


def ablation_figures(matrix: Matrix, runs: Sequence[Run]) -> dict[str, Any]:
    """JSON-able figures of the finished ones among `runs`.

    Raises:
        RunError: a summary is damaged.
    """
    against = next(iter(matrix.recipes))
    summaries: dict[str, dict[int, dict[str, Any]]] = {}
    leads: dict[str, dict[int, dict[str, Any]]] = {}
    first: dict[int, Measurement] = {}
    for run in sorted((run for run in runs if run.finished), key=lambda run: list(matrix.recipes).index(run.recipe)):
        seed, summary = run.settings.seed, read_json(run.path / "summary.json")
        file = run.path / "measurements" / f"iteration-{selected_iteration(summary)}.jsonl"
        handed = Measurement.load(file) if file.exists() else Measurement({})
        summaries.setdefault(run.recipe, {})[seed] = summary
        if run.recipe == against:
            first[seed] = handed
        elif seed in first:
            leads.setdefault(run.recipe, {})[seed] = lead([handed], [first[seed]])

    def figures(suite: str, recipe: str) -> dict[str, Any]:
        by_seed = summaries[recipe]
        ahead = {seed: found[suite][-1] for seed, found in leads.get(recipe, {}).items()}
        return {
            "items": next(iter(by_seed.values()))["suites"][suite]["base"]["n"],
            "change": _over_seeds({seed: change_of_selected(summary, suite) for seed, summary in by_seed.items()}),
            "lead": _over_seeds(ahead) if ahead else None,
        }

    measured = dict.fromkeys(name for each in summaries.values() for one in each.values() for name in one["suites"])
    suites = matrix.suites or [name for name in measured if task_of(name) is None]
    return {
        "against": against,
        "suites": {suite: {recipe: figures(suite, recipe) for recipe in summaries} for suite in suites},
        "silver": {recipe: _silver(by_seed) for recipe, by_seed in summaries.items()},
    }


def _over_seeds(differences: _BySeed) -> dict[str, Any]:
    """The mean of paired differences, with its interval."""
    mean = mean_over_seeds([difference["mean"] for difference in differences.values()])
    # A single seed has no interval over seeds; that of its own items stands in.
    ci95 = mean.ci95 or next(iter(differences.values()))["ci95"]
    return {"mean": mean.mean, "ci95": list(ci95), "seeds": list(differences)}


def _silver(summaries: _BySeed) -> list[dict[str, Any]]:
    """Iteration by iteration, the means of the known figures over the seeds that reached it."""
    found: list[dict[str, Any]] = []
    for place in range(max(len(summary["silver"]) for summary in summaries.values())):
        sets = {seed: each["silver"][place] for seed, each in summaries.items() if place < len(each["silver"])}
        known = {key: [one[key] for one in sets.values() if one.get(key) is not None] for key in SILVER}
        found.append({"seeds": list(sets)} | {key: fmean(values) if values else None for key, values in known.items()})
    return found


def ablation_table(figures: Mapping[str, Any]) -> str:
    """Markdown of what `ablation_figures` returned."""
    columns = ("suite", "recipe", "seeds", "items", "change from the base", f"ahead of {figures['against']}")
    rows = [
        (suite, recipe, str(seeds := len(row["change"]["seeds"])), str(row["items"]), *_cells(row, seeds))
        for suite, recipes in figures["suites"].items()
        for recipe, row in recipes.items()
    ]
    silver_columns = ("silver set of", "iteration", "seeds", *(key.replace("_", " ") for key in SILVER))
    silver_rows = []
    for recipe, iterations in figures["silver"].items():
        for number, row in enumerate(iterations, start=1):
            cells = ["" if row[key] is None else format(row[key], form) for key, form in SILVER.items()]
            silver_rows.append((recipe, str(number), str(len(row["seeds"])), *cells))
    tables = [Table("", columns, tuple(rows)).markdown(), Table("", silver_columns, tuple(silver_rows)).markdown()]
    return "\n\n".join(
        [LEGEND.format(against=figures["against"]), tables[0], "Silver sets, mean over seeds.", tables[1] + "\n"]
    )


def _cells(row: Mapping[str, Any], seeds: int) -> Iterator[str]:
    for difference in (row["change"], row["lead"]):
        if difference is None:
            yield ""
            continue
        count = len(difference["seeds"])
        few = f" ({count} of {seeds} seeds)" if count < seeds else ""
        yield points(difference["mean"], difference["ci95"]) + few
