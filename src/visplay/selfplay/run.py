"""A run from settings to result: preparation before the loop, output after it, and the controls.

`evolve` is `visplay.evolve` and the command `visplay evolve`. The workers of a run follow its controller in `follow`.
"""

from __future__ import annotations

import resource
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from rich.console import Console

from visplay.config import Settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.errors import ConfigError, RunError, reason, visible
from visplay.evaluation.headline import check_endpoints, headline
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.results import measurement_file, run_measurements
from visplay.evaluation.summary import gap_closed, lead, macro_summary, suites_summary
from visplay.generation.backends.vllm import VLLMBackend
from visplay.interfaces.image_source import Catalogue
from visplay.labeling.files import join_silver, silver_file
from visplay.roles.open import check_runnable
from visplay.runs import RunDirectory, check_changes, check_free, check_run, read_metrics
from visplay.runs.files import make_folder, replaced_file
from visplay.runs.metrics import FRAME
from visplay.runs.open_run import Run, open_run
from visplay.runs.trackers import Trackers
from visplay.selfplay.acceptance import read_validation_set, without_validation_images
from visplay.selfplay.context import RunInputs
from visplay.selfplay.controls import CEILING, changed, control_changes, control_names
from visplay.selfplay.failures import explained, taken_back
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.loop import self_play
from visplay.selfplay.outcome import noted_failure, nothing_learned
from visplay.selfplay.run_images import lost_images, lost_lines
from visplay.selfplay.state import SelfPlayState
from visplay.selfplay.verdict import Verdict, is_verdict

LEARNED = ("reward_accuracy", "learned_label_accuracy")  # metrics of the Reasoner phase in summary.json


def evolve(
    settings: Settings,
    out: str | Path,
    *,
    resume: bool = False,
    controls: bool | Sequence[str] = False,
    console: Console | None = None,
    controller: Controller = SINGLE_PROCESS,
) -> Run:
    """Evolve a model on unlabeled images and return the finished run.

    Args:
        settings: see `visplay.load_settings`. With `resume`, those to go on with: a few may have changed
            (docs/resuming.md).
        out: directory of the run; new or empty, unless `resume` is set.
        resume: continue the interrupted run in `out`.
        controls: also run these controls, or all for True, which a gain must beat: see `visplay.selfplay.controls`. One
            that does not apply to the run is left out.
        console: where progress is shown; None is silent.
        controller: the processes that share the work.
    Raises:
        ConfigError: also a change that a resumed run does not take.
        ConfigError, ModelError, ImageError, EngineError, EvaluationError: the settings ask for something that this
            machine cannot do; raised before the directory is made.
        RunError: the directory cannot be used or written, or with `resume` it has no run.
        TrainingError: the training diverged; the finished steps are kept.
    """
    out = Path(out)
    console = console or Console(quiet=True)
    if resume:
        check_run(out, "start one without --resume")
    names = control_names(controls)
    _check_shared(settings, controller, bool(names))
    if resume:
        check_changes(out, settings)
    else:
        check_free(out)
    check_runnable(settings)
    catalogue = settings.images.open(settings.seed)
    _show_images(catalogue, console)
    inputs = open_inputs(settings, catalogue)
    with _disk(out), _open(resume, out, settings, controller) as run:
        if run.changes:
            console.print(f"changed since the last sitting: {run.changes}", highlight=False, markup=False)
        summary = run_evolution(run, inputs, console, controller=controller)
        if names and summary.get("nothing_learned"):
            console.print("Left out: the controls, since the run learned nothing", markup=False)
        elif names:
            found = _run_controls(run, summary, names, inputs, console, controller)
            run.write_summary(summary | {"controls": found})
    return open_run(out)


def open_inputs(settings: Settings, catalogue: Catalogue) -> RunInputs:
    """Images, suites, oracle and labelled items.

    Raises:
        EvaluationError: suites or items cannot be used.
        ConfigError: no image is left to train on.
    """
    judged = settings.acceptance
    labelled = judged.validation_set
    validation_set = read_validation_set(labelled, judged.columns, judged.answers_are) if labelled else None
    if not without_validation_images(catalogue.images, validation_set):
        raise ConfigError(f"all images of {catalogue.source} are in the validation set; none is left to train on")
    suites = open_suites(settings.evaluation.suites, settings.seed, settings.evaluation.items_per_suite)
    check_endpoints(settings.evaluation.endpoints, [suite.name for suite in suites])
    return RunInputs(catalogue.images, suites, settings.images.observer(settings.seed), validation_set)


def run_evolution(
    run: RunDirectory, inputs: RunInputs, console: Console, title: str = "", controller: Controller = SINGLE_PROCESS
) -> dict[str, Any]:
    """Run the loop to its end; write silver.parquet, both roles and summary.json, whose content is returned.

    `title` begins every line of the terminal, such as the name of a control.
    """
    settings = run.settings
    if run.notice:
        console.print(run.notice, markup=False)
    with explained(run):
        state = SelfPlayState(controller.broadcast(settings), controller)
    if taken_back(run):
        console.print("the learning rate is lower after a divergence: back to the last accepted iteration, or the base")
    if not title:
        console.print(str(state.path), highlight=False)
        if left_out := state.reasoner_policy.without_adapter():
            console.print(
                f"linear layers without an adapter (see lora.targets): {', '.join(left_out)}", highlight=False
            )
    with (
        noted_failure(run.path),
        closing(Trackers(run, console)) as trackers,
        closing(state),
        RunLogger(run, settings, console, title, trackers) as logger,
    ):
        state.check_forms(logger.warn)
        seconds = self_play(inputs, state, settings, logger)
        controller.shutdown()
    parts = [silver_file(run.path, t) for t in range(1, settings.iterations + 1)]
    join_silver([part for part in parts if part.exists()], run.path / "silver.parquet")
    for role, policy in (("questioner", state.questioner_policy), ("reasoner", state.reasoner_policy)):
        with run.new_folder(role) as folder:
            policy.save(folder)
            state.prompts.save(folder / "prompts.yaml")
    summary = _summarize(run.path, seconds)
    if reasons := nothing_learned(read_metrics(run.path / "metrics.jsonl"), settings.iterations):
        summary["nothing_learned"] = list(reasons)
    summary["headline"] = asdict(headline(summary, settings.evaluation.endpoints))
    if lost := lost_images(run.path):
        summary["lost_images"] = lost
        console.print("\n".join(lost_lines(lost)), highlight=False, markup=False)
    run.write_summary(summary)
    return summary


def follow(controller: Controller) -> None:
    """What every worker process does: set up the state of each run that the controller begins, and serve it."""
    while (settings := controller.broadcast(None)) is not None:
        with explained(), closing(SelfPlayState(settings, controller)):
            controller.serve()


def peak_memory_bytes() -> int:
    """Most memory this process held: resident on the host, or allocated on the GPU where that is more."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return max(host, torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


@contextmanager
def _disk(out: Path) -> Iterator[None]:
    """Context manager: errors of the system that nothing else has put in words become a RunError."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the output has gone
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        again = f"mend that, then continue with `visplay evolve --resume --out {shlex.quote(str(out))}`"
        raise RunError(f"the run in {out} stopped: {file}{reason(error)}; {again}") from None


def _open(resuming: bool, folder: Path, settings: Settings, controller: Controller) -> RunDirectory:
    if resuming:
        return RunDirectory.open(folder, settings, controller.size)
    return RunDirectory.create(folder, settings, controller.size)


def _check_shared(settings: Settings, controller: Controller, controls: bool) -> None:
    """Refuse a single named device for several processes, and controls that would each need another vLLM."""
    if controller.size == 1:
        return
    if ":" in settings.device:
        raise ConfigError(f"device: {settings.device} is one for {controller.size} processes; leave it 'auto'")
    if controls and isinstance(settings.engine, VLLMBackend):
        raise ConfigError("--controls need a new vLLM each, which several processes cannot start; use --processes 1")


def _show_images(catalogue: Catalogue, console: Console) -> None:
    console.print(f"{len(catalogue.images)} images from {visible(catalogue.source)}", markup=False)
    for link in catalogue.linked:
        console.print(f"  also those of a folder elsewhere: {visible(link)}", highlight=False, markup=False)
    count, shown = len(catalogue.skipped), 20
    if count:
        console.print("1 file was skipped:" if count == 1 else f"{count} files were skipped:")
    for one in catalogue.skipped[:shown]:
        console.print(f"  {visible(one.path)}: {visible(one.reason)}", highlight=False, markup=False)
    if count > shown:
        console.print(f"  and {count - shown} more")


def _run_controls(
    run: RunDirectory,
    finished: dict[str, Any],
    names: Sequence[str],
    inputs: RunInputs,
    console: Console,
    controller: Controller,
) -> dict[str, Any]:
    """Run each control with the same base and seed, but those that do not apply to the run.

    Returns:
        summaries by name, with the `lead` of the run over each, and the share of the gap that it closed to the ceiling.
    """
    found: dict[str, Any] = {}
    _, ours = run_measurements(run.path)
    for name in names:
        try:
            changes = control_changes(name, run.settings)
        except ConfigError as error:
            console.print(f"Left out: {error}", markup=False)
            continue
        folder = run.path / "controls" / name
        settings = changed(run.settings, changes | {"evaluation.before": False}, f"control {name}")
        with _open((folder / "config.yaml").exists(), folder, settings, controller) as control:
            base, copy = measurement_file(run.path, 0), measurement_file(folder, 0)
            if base.exists():
                make_folder(copy.parent)
                with replaced_file(copy) as draft:
                    shutil.copyfile(base, draft)
            summary = run_evolution(control, inputs, console, name, controller)
            found[name] = summary | {"lead": lead(ours, run_measurements(folder)[1])}
            if name == CEILING:
                found[name]["gap_closed"] = gap_closed(finished, summary)
    return found


def _summarize(run: Path, seconds: float) -> dict[str, Any]:
    """The figures of summary.json, without the controls."""
    base, iterations = run_measurements(run)
    lines = read_metrics(run / "metrics.jsonl")
    verdicts = [Verdict.from_metrics(line) for line in lines if is_verdict(line)]
    return {
        "suites": suites_summary(base, iterations) if base or iterations else {},
        "macro": macro_summary(base, iterations) if base or iterations else {},
        "silver": [_single_figures(line) | _learned(line, lines) for line in lines if line["phase"] == "silver"],
        "acceptance": [{"iteration": verdict.iteration, **verdict.as_metrics()} for verdict in verdicts],
        "controls": {},
        "seconds": seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _single_figures(line: dict[str, Any]) -> dict[str, Any]:
    """The values of a line of metrics without lists and mappings, such as `kept` and `label_accuracy`."""
    return {key: value for key, value in line.items() if key not in FRAME and not isinstance(value, (list, dict))}


def _learned(silver: dict[str, Any], lines: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over the Reasoner's steps with a silver set of how true rewards and labels were, where that is known."""
    steps = [line for line in lines if line["phase"] == "reasoner" and line["iteration"] == silver["iteration"]]
    known = {key: [line[key] for line in steps if line.get(key) is not None] for key in LEARNED}
    return {key: fmean(values) for key, values in known.items() if values}
