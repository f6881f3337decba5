"""What `visplay compare` sets side by side: what runs and reports hold, and models that are scored on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from visplay.config import Settings
from visplay.errors import EvaluationError, RunError
from visplay.evaluation.compare import Contender
from visplay.evaluation.results import Measurement
from visplay.evaluation.summary import selected_iteration
from visplay.roles.open import is_run
from visplay.runs import check_finished
from visplay.runs.state import read_json
from visplay.types import Suite


def is_report(name: str) -> bool:
    """Whether `name` is a file that `visplay eval` wrote, and no model."""
    return Path(name).suffix == ".json" and Path(name).is_file()


def open_contender(name: str, suites: Sequence[Suite] = (), settings: Settings | None = None) -> Contender:
    """A run's or model's answers to `suites`, or those that a report holds, or that a finished run was measured by.

    Of a run that is what it hands over.

    Args:
        settings: how a run or model is loaded and answers, see `own_settings`; None for what is not scored.
    Raises:
        EvaluationError: a report without its answers, or a model without settings.
        RunError: a run that is not finished, or was not measured.
        ModelError, ConfigError, EngineError: as
            `score_reasoner`.
    """
    if settings is not None:
        from visplay.evaluation.scoring import score_reasoner

        return Contender(name, score_reasoner(name, suites, settings, sampled=False).greedy)
    if is_report(name):
        return Contender(name, _answers(Path(name)).greedy)
    if is_run(name):
        return Contender(name, _measured(Path(name)).greedy)
    raise EvaluationError(
        f"'{name}' is neither a run nor a report; what a model is to be scored on, --suites or --data say"
    )


def check_contenders(names: Sequence[str], settings: Mapping[str, Settings]) -> None:
    """Refuse what cannot be opened, or scored by its settings, before anything is scored.

    Raises:
        EvaluationError, RunError: as `open_contender`.
        ModelError, ConfigError, EngineError: as
            `check_scorable`.
    """
    for name in names:
        if name in settings:
            from visplay.evaluation.scoring import check_scorable

            check_scorable(name, settings[name])
        else:
            open_contender(name)


def _answers(report: Path) -> Measurement:
    answers = report.with_suffix(".answers.jsonl")
    if not answers.is_file():
        raise EvaluationError(f"{report} has no answers beside it ({answers.name}); score again with `visplay eval`")
    return _load(answers)


def _measured(run: Path) -> Measurement:
    check_finished(run)
    iteration = selected_iteration(read_json(run / "summary.json"))
    answers = run / "measurements" / f"iteration-{iteration}.jsonl"
    if not answers.is_file():
        raise RunError(f"{run} was not measured as it is handed over (iteration {iteration}); score it by --suites")
    return _load(answers)


def _load(path: Path) -> Measurement:
    try:
        return Measurement.load(path)
    except (ValueError, KeyError, TypeError):
        raise EvaluationError(f"{path} is no file of answers; score again with `visplay eval`") from None
