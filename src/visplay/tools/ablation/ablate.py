"""A matrix from its first run to its table; called again, it goes on.

    OUT/table.md, table.json      the figures so far
    OUT/recipe/settings.yaml      what `visplay evolve --preset` is given
    OUT/recipe/seed-S/            a run directory
    OUT/recipe/seed-S.log         what that run printed

Runs of a recipe that the matrix no longer names stay where they are, out of the table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from visplay.config import dump_settings, load_settings
from visplay.errors import RunError
from visplay.runs.state import write_json, write_whole
from visplay.tools.ablation.matrix import Matrix, Run, flat
from visplay.tools.ablation.processes import Processes
from visplay.tools.ablation.table import ablation_figures, ablation_table


def ablate(matrix: Matrix, out: Path, processes: int, console: Console) -> bool:
    """Run what is not finished yet, at most `processes` at once, and keep the table.

    Returns:
        whether no run failed; one that fails is named and does not keep the others from running.
    Raises:
        RunError: a run in `out` was begun with other settings, or `out` cannot be used. Nothing was started then.
        ConfigError: settings of a begun run cannot be read.
    """
    runs = matrix.runs(out)
    for run in runs:
        _check_same(run)
    _write_settings(runs)
    waiting = deque(run for run in runs if not run.finished)
    left = len(waiting)
    failed = 0
    if left < len(runs):
        _tell(console, f"{len(runs) - left} of {len(runs)} runs are finished already")
    table = _keep_table(matrix, runs, out)
    with Processes(processes) as running:
        while waiting or not running.idle:
            while waiting and not running.full:
                run = waiting.popleft()
                _tell(console, f"{run}: {'goes on' if run.begun else 'begins'}, {left} left")
                running.start(run)
            run, problem = running.wait()
            left -= 1
            if problem is None:
                _tell(console, f"{run}: finished, {left} left")
            else:
                failed += 1
                _tell(console, f"{run}: failed, {left} left: {problem}; see {run.log}")
            table = _keep_table(matrix, runs, out)
    _tell(console, table)
    return not failed


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
    table = ablation_table(figures)
    write_json(out / "table.json", figures)
    write_whole(out / "table.md", table)
    return table


def _tell(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)
