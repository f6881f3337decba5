"""One evolution from settings to summary, with its controls: what `visplay evolve` does."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from visplay.config import Settings, check_settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.errors import ConfigError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.summary import lead, macro_summary, suites_summary
from visplay.generation.backends.vllm import VLLMBackend
from visplay.interfaces.image_source import Catalogue
from visplay.labeling.silver_file import join_silver, silver_file
from visplay.runs import RunDirectory, read_metrics
from visplay.runs.trackers import Trackers
from visplay.selfplay.logger import RunLogger, peak_memory_bytes
from visplay.selfplay.loop import RunInputs, evolve
from visplay.selfplay.state import SelfPlayState
from visplay.selfplay.validation_set import read_validation_set

CONTROLS: dict[str, dict[str, dict[str, Any]]] = {
    "random_reward": {"questioner": {"reward": "random"}, "reasoner": {"reward": "random"}},
    "format_reward": {"questioner": {"reward": "format"}, "reasoner": {"reward": "format"}},
    "untrained_questioner": {"questioner": {"steps": 0}},
}
# What summary.json tells of a silver set and of a verdict, where it was measured.
_SILVER = (
    "label_accuracy",
    "answerable",
    "kept",
    "asked",
    "valid",
    "candidates",
    "mean_confidence",
    "paper_label_accuracy",
    "paper_answerable",
    "paper_kept",
    "paper_asked",
)
_ACCEPTANCE = (
    "iteration",
    "accepted",
    "against",
    "kept_change",
    "kept_ci95",
    "agreement_change",
    "agreement_ci95",
    "asking_change",
    "asking_ci95",
    "validation_change",
    "validation_ci95",
    "validation_p_mcnemar",
    "validation_items",
    "validation_accuracy",
    "selected_iteration",
    "oracle_accepts",
    "true_accuracy",
    "true_change",
    "true_ci95",
)


def open_inputs(settings: Settings, catalogue: Catalogue) -> RunInputs:
    """Images, suites and, where there are any, the oracle and labelled items to accept by.

    Raises:
        EvaluationError: no such suite, or the labelled items cannot be used.
    """
    validation_set = (
        read_validation_set(settings.acceptance.validation_set) if settings.acceptance.validation_set else None
    )
    suites = open_suites(settings.evaluation.suites, settings.seed, settings.evaluation.items_per_suite)
    return RunInputs(catalogue.images, suites, settings.images.observer(settings.seed), validation_set)


def run_evolution(
    run: RunDirectory, inputs: RunInputs, console: Console, title: str = "", controller: Controller = SINGLE_PROCESS
) -> RunLogger:
    """Evolve to the end, write silver.parquet, both roles and summary.json.

    Args:
        controller: the processes that share the work; the others are in `serve`.
    """
    settings = run.settings
    state = SelfPlayState.load(controller.broadcast(settings), controller)
    if not title:
        console.print(str(state.path), highlight=False)
    with closing(Trackers(run, console)) as trackers, closing(state):
        logger = RunLogger(run, settings, console, title, trackers)
        evolve(inputs, state, settings, logger)
        controller.shutdown()
    parts = [silver_file(run.path, t) for t in range(1, settings.iterations + 1)]
    join_silver([part for part in parts if part.exists()], run.path / "silver.parquet")
    for role, policy in (("questioner", state.questioner_policy), ("reasoner", state.reasoner_policy)):
        with run.result(role) as folder:
            policy.save(folder)
            state.prompts.save(folder / "prompts.yaml")
    run.write_summary(summarize(logger))
    return logger


def check_shared(settings: Settings, controller: Controller, controls: bool) -> None:
    """Refuse what several processes cannot do.

    Raises:
        ConfigError: one device is named for all of them, or each would need one vLLM after another.
    """
    if controller.size == 1:
        return
    if ":" in settings.device:
        raise ConfigError(f"device: {settings.device} is one for {controller.size} processes; leave it 'auto'")
    if controls and isinstance(settings.engine, VLLMBackend):
        raise ConfigError("--controls want a new vLLM each, which several processes cannot have; use --processes 1")


def follow(controller: Controller) -> None:
    """What all processes but the first do: have the state of each run that it begins, and follow it."""
    while (settings := controller.broadcast(None)) is not None:
        with closing(SelfPlayState.load(settings, controller)):
            controller.serve()


def run_controls(
    run: RunDirectory, inputs: RunInputs, main: RunLogger, console: Console, controller: Controller = SINGLE_PROCESS
) -> dict[str, Any]:
    """The same base and seed under rewards that say nothing, and with a Questioner that never learns.

    Returns:
        the summary of each control, by name; its `lead` is what the main run is ahead by.
    """
    found: dict[str, Any] = {}
    _, ours = main.measurements()
    for name, changes in CONTROLS.items():
        folder = run.path / "controls" / name
        # A control is to show where its reward leads, so nothing of it is taken back.
        settings = changed(
            run.settings,
            {**changes, "evaluation": {"before": False}, "acceptance": {"images": 0, "validation_set": None}},
        )
        exists = (folder / "config.yaml").exists()
        with RunDirectory.open(folder) if exists else RunDirectory.create(folder, settings) as control:
            _share_base(run.path, folder)
            logger = run_evolution(control, inputs, console, name, controller)
            found[name] = summarize(logger) | {"lead": lead(ours, logger.measurements()[1])}
    return found


def summarize(logger: RunLogger) -> dict[str, Any]:
    """The figures of summary.json, without the controls."""
    base, iterations = logger.measurements()
    lines = read_metrics(logger.run.path / "metrics.jsonl")
    return {
        "suites": suites_summary(base, iterations) if base or iterations else {},
        "macro": macro_summary(base, iterations) if base or iterations else {},
        "silver": [_taken(line, _SILVER) for line in lines if line["phase"] == "silver"],
        "acceptance": [_taken(line, _ACCEPTANCE) for line in lines if line["phase"] == "accept" and line["iteration"]],
        "controls": {},
        "seconds": logger.seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _taken(line: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: line[key] for key in keys if key in line}


def changed(settings: Settings, changes: dict[str, dict[str, Any]]) -> Settings:
    """Settings with some values of some sections replaced, checked anew."""
    values = settings.model_dump(mode="json")
    for section, replaced in changes.items():
        values[section] |= replaced
    return check_settings(values, "changed settings")


def _share_base(run: Path, control: Path) -> None:
    measured = run / "measurements" / "iteration-0.jsonl"
    if measured.exists():
        (control / "measurements").mkdir(exist_ok=True)
        shutil.copyfile(measured, control / "measurements" / measured.name)
