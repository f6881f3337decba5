"""A run from settings to result, in one call: `visplay.evolve`, and what `visplay evolve` does."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from visplay.config import Settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.roles.open import check_runnable
from visplay.runs.directory import RunDirectory, check_free
from visplay.runs.open_run import Run, open_run
from visplay.selfplay.controls import run_controls
from visplay.selfplay.run import check_shared, open_inputs, run_evolution, summarize

_SHOWN_SKIPPED = 20


def evolve(
    settings: Settings,
    out: str | Path,
    *,
    resume: bool = False,
    controls: bool = False,
    console: Console | None = None,
    controller: Controller = SINGLE_PROCESS,
) -> Run:
    """Evolve a model on unlabeled images and return the finished run.

    Args:
        settings: see `visplay.load_settings`. With `resume`, pass the settings that the run began with.
        out: directory of the run; new or empty, unless `resume` is set.
        resume: continue an interrupted run where there is one.
        controls: also run the controls that a gain must beat: random reward, format reward, untrained Questioner.
        console: where progress is shown; None is silent.
        controller: the processes that share the work.
    Raises:
        ConfigError, ModelError, ImageError, EngineError, EvaluationError: the settings ask for something that this
            machine cannot do; raised before the directory is made.
        RunError: the directory cannot be used.
        TrainingError: the training diverged; the finished steps are kept.
    """
    out = Path(out)
    console = console or Console(quiet=True)
    resuming = resume and (out / "config.yaml").exists()
    check_shared(settings, controller, controls)
    if not resuming:
        check_free(out)
    check_runnable(settings)
    catalogue = settings.images.open(settings.seed)
    console.print(f"{len(catalogue.images)} images from {catalogue.source}")
    if catalogue.skipped:
        count = len(catalogue.skipped)
        console.print("1 file was skipped:" if count == 1 else f"{count} files were skipped:")
    for one in catalogue.skipped[:_SHOWN_SKIPPED]:
        console.print(f"  {one.path}: {one.reason}", highlight=False, markup=False)
    if len(catalogue.skipped) > _SHOWN_SKIPPED:
        console.print(f"  and {len(catalogue.skipped) - _SHOWN_SKIPPED} more")
    inputs = open_inputs(settings, catalogue)
    with RunDirectory.open(out) if resuming else RunDirectory.create(out, settings) as run:
        logger = run_evolution(run, inputs, console, controller=controller)
        if controls:
            found = run_controls(run, inputs, logger, console, controller)
            run.write_summary(summarize(logger) | {"controls": found})
    return open_run(out)
