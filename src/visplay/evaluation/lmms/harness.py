"""Calls lmms-eval: which tasks there are, and what it finds of a model on them."""

from __future__ import annotations

import difflib
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer, Said
from visplay.evaluation.lmms.paper import is_judged

_JUDGED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """One item: what was said, and how lmms-eval scored it.

    `correct` is None where the task's metric is not about right or wrong.
    """

    item: str
    said: Said
    target: Any
    scores: Mapping[str, Any]
    correct: bool | None


@dataclass(frozen=True, slots=True)
class Found:
    """What lmms-eval found of one model on one task; `reported` are its own figures, by metric."""

    task: str
    answers: tuple[Answered, ...]
    reported: Mapping[str, float]

    @property
    def marks(self) -> dict[str, bool] | None:
        """Right or wrong by item, None where that cannot be said of every one."""
        marks = {answer.item: answer.correct for answer in self.answers if answer.correct is not None}
        return marks if len(marks) == len(self.answers) else None


def check_installed() -> None:
    """Refuse before anything is loaded.

    Raises:
        EvaluationError: lmms-eval is not installed.
    """
    if find_spec("lmms_eval") is None:
        raise EvaluationError("--tasks needs lmms-eval; pip install 'visplay[eval]'")


class Harness:
    """lmms-eval with our tasks beside its own.

    Args:
        folder: of task files written for this call.
        builtin: whether lmms-eval's own tasks are wanted; to read their files takes some seconds.
    """

    def __init__(self, folder: Path, builtin: bool) -> None:
        with _quiet():
            from lmms_eval.tasks import TaskManager

            shipped = str(resources.files("visplay.evaluation.lmms") / "tasks")
            self.manager = TaskManager(
                include_path=[shipped, str(folder)], include_defaults=builtin, model_name="visplay"
            )

    def check(self, names: Sequence[str]) -> None:
        """Load every task once, before a model is.

        Raises:
            EvaluationError: no such task, its data cannot be had, or it asks for more than an answer.
        """
        for name in names:
            if name not in self.manager.all_tasks:
                near = ", ".join(difflib.get_close_matches(name, self.manager.all_tasks, 3))
                raise EvaluationError(f"lmms-eval has no task '{name}'" + (f"; is it one of {near}?" if near else ""))
            for task, output_type in self._loaded(name):
                if output_type != "generate_until":
                    raise EvaluationError(
                        f"task {task} asks for {output_type}; visplay answers generate_until, a text to a question"
                    )

    def _loaded(self, name: str) -> list[tuple[str, str]]:
        """Each task of `name` with what it asks for."""
        with _quiet():
            from lmms_eval.evaluator_utils import get_task_list
            from lmms_eval.tasks import get_task_dict

            try:
                tasks = get_task_list(get_task_dict([name], self.manager, "simple"))
            # What data sets, the hub and a task's own code raise has no common type.
            except Exception as error:
                raise EvaluationError(f"task {name} cannot be loaded: {_reason(error)}") from error
        return [(each.task_name, each.task.OUTPUT_TYPE) for each in tasks]

    def evaluate(self, answerer: Answerer, name: str, limit: int | None, folder: Path) -> list[Found]:
        """Let lmms-eval ask and score one task, or those of a group; what they write themselves goes to `folder`.

        Args:
            limit: the first so many items of each task; None for all.
        Raises:
            EvaluationError: an item shows no image.
        """
        with _quiet():
            from lmms_eval.evaluator import simple_evaluate

            from visplay.evaluation.lmms.model import VisplayModel

            model = VisplayModel(answerer=answerer)
            results = simple_evaluate(
                model=model,
                tasks=[name],
                task_manager=self.manager,
                limit=limit,
                bootstrap_iters=0,
                log_samples=True,
                cli_args=Namespace(output_path=str(folder), process_with_media=False, reasoning_tags=None),
                # MMMU guesses at what it cannot read, from one random stream that threads would share in any order.
                process_docs_parallel=_JUDGED_AT_ONCE if is_judged(name) else 1,
            )
        tasks = sorted(results["samples"])
        return [_found(task, results["samples"][task], results["results"][task], model.said) for task in tasks]


def _found(
    task: str, samples: Sequence[Mapping[str, Any]], figures: Mapping[str, Any], said: Mapping[tuple[str, int], Said]
) -> Found:
    reported = {
        key.split(",")[0]: float(value)
        for key, value in figures.items()
        if isinstance(value, (int, float)) and "_stderr" not in key
    }
    # A task with several filters scores an answer once for each; the first is what it reports first.
    first = {sample["doc_id"]: sample for sample in reversed(samples)}
    answers = []
    for place in sorted(first):
        sample = first[place]
        scores = {metric: sample[metric] for metric in reported if metric in sample}
        own_id = sample["doc"].get("id") if task.startswith("visplay_") else None
        item = own_id or f"{task}/{place}"
        answers.append(Answered(item, said[task, place], sample["target"], scores, right_or_wrong(scores)))
    return Found(task, tuple(answers), reported)


def right_or_wrong(scores: Mapping[str, Any]) -> bool | None:
    """The first of an item's scores that says so; None where none does, such as a judge's 0.4."""
    return next((mark for mark in (_mark(name, value) for name, value in scores.items()) if mark is not None), None)


def _mark(metric: str, value: Any) -> bool | None:
    if isinstance(value, Mapping):
        if metric == "mmmu_acc":
            return _mmmu(value)
        # MMStar, HallusionBench after its judge, MATH-Vision.
        for key in ("score", "correct", "scores"):
            if key in value:
                return _binary(value[key])
        return None
    return _binary(value)


def _binary(value: Any) -> bool | None:
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return bool(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def _mmmu(value: Mapping[str, Any]) -> bool:
    """MMMU is marked when it is summed up, by the rules of its authors."""
    from lmms_eval.tasks.mmmu.utils import evaluate_mmmu

    marks, _ = evaluate_mmmu([value])
    return bool(marks[value["id"]] == "Correct")


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave standard output to our table, and lmms-eval's log to its errors."""
    with redirect_stdout(sys.stderr):
        import lmms_eval.models  # noqa: F401  # it sets up a log of its own when first imported
        from loguru import logger

        logger.remove()
        logger.add(sys.stderr, level="ERROR", format="lmms-eval: {message}")
        yield


def _reason(error: BaseException) -> str:
    """The cause that lmms-eval's retries hide, in one line."""
    attempt = getattr(error, "last_attempt", None)
    cause = (attempt.exception() if attempt else None) or error
    return " ".join(str(cause).split())[:300] or type(cause).__name__
