"""One run: its inputs, the loop, the final roles and the summary. Workers of a run follow its controller."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from rich.console import Console

from visplay.config import Settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.errors import ConfigError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.summary import macro_summary, suites_summary
from visplay.generation.backends.vllm import VLLMBackend
from visplay.interfaces.image_source import Catalogue
from visplay.labeling.files import join_silver, silver_file
from visplay.runs import RunDirectory, read_metrics
from visplay.runs.metrics import FRAME
from visplay.runs.trackers import Trackers
from visplay.selfplay.context import RunInputs
from visplay.selfplay.logger import RunLogger, peak_memory_bytes
from visplay.selfplay.loop import self_play
from visplay.selfplay.state import SelfPlayState
from visplay.selfplay.validation_set import read_validation_set
from visplay.selfplay.verdict import Verdict, is_verdict


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
    """Run the loop to its end; write silver.parquet, both roles and summary.json.

    Args:
        title: begins every line of the terminal, such as the name of a control.
        controller: the processes that share the work; the workers are in `follow`.
    """
    settings = run.settings
    state = SelfPlayState.load(controller.broadcast(settings), controller)
    if not title:
        console.print(str(state.path), highlight=False)
    with (
        closing(Trackers(run, console)) as trackers,
        closing(state),
        RunLogger(run, settings, console, title, trackers) as logger,
    ):
        self_play(inputs, state, settings, logger)
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
        raise ConfigError("--controls need a new vLLM each, which several processes cannot start; use --processes 1")


def follow(controller: Controller) -> None:
    """What every worker process does: set up the state of each run that the controller begins, and serve it."""
    while (settings := controller.broadcast(None)) is not None:
        with closing(SelfPlayState.load(settings, controller)):
            controller.serve()


def summarize(logger: RunLogger) -> dict[str, Any]:
    """The figures of summary.json, without the controls."""
    base, iterations = logger.measurements()
    lines = read_metrics(logger.run.path / "metrics.jsonl")
    return {
        "suites": suites_summary(base, iterations) if base or iterations else {},
        "macro": macro_summary(base, iterations) if base or iterations else {},
        "silver": [_single_figures(line) for line in lines if line["phase"] == "silver"],
        "acceptance": [
            {"iteration": verdict.iteration, **verdict.as_metrics()}
            for verdict in (Verdict.from_metrics(line) for line in lines if is_verdict(line))
        ],
        "controls": {},
        "seconds": logger.seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _single_figures(line: dict[str, Any]) -> dict[str, Any]:
    """The figures of a line of metrics that are no list or mapping, such as `kept` and `label_accuracy`."""
    return {key: value for key, value in line.items() if key not in FRAME and not isinstance(value, (list, dict))}
