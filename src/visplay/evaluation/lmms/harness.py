"""Calls lmms-eval: which tasks there are, and what it finds of a model on them."""

from __future__ import annotations

import difflib
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer, Said
from visplay.evaluation.lmms.paper import JUDGED

SHIPPED = Path(__file__).parent / "tasks"
_JUDGED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Found:
    """The results of one model on one task, by lmms-eval.

    Attributes:
        answers: a row per item with the prompt, the whole text, the boxed answer and the scores; `correct` is None if
            the task's metric does not say right or wrong.
        reported: lmms-eval's own figures, by metric.
        marks: right or wrong by item; None if the metric does not say it of every item.
    """

    task: str
    answers: tuple[dict[str, Any], ...]
    reported: Mapping[str, float]
    marks: Mapping[str, bool] | None


class Harness:
    """Tasks of lmms-eval; each is loaded once, before any model.

    Args:
        names: of the tasks or groups; lmms-eval's own, and those whose files are in `folder`.
    Raises:
        EvaluationError: lmms-eval, a task or its data is missing, or a task needs other than one answer per item.
    """

    def __init__(self, names: Sequence[str], folder: Path = SHIPPED) -> None:
        if find_spec("lmms_eval") is None:
            raise EvaluationError("--tasks needs lmms-eval; pip install 'visplay[eval]'")
        builtin = not all((folder / f"{name}.yaml").exists() for name in names)  # reading them takes some seconds
        with _quiet():
            from lmms_eval.tasks import TaskManager

            self._manager = TaskManager(include_path=[str(folder)], include_defaults=builtin, model_name="visplay")
            for name in names:
                self._check(name)

    def _check(self, name: str) -> None:
        from lmms_eval.evaluator_utils import get_task_list
        from lmms_eval.tasks import get_task_dict

        known = self._manager.all_tasks
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, 3))
            raise EvaluationError(f"lmms-eval has no task '{name}'" + (f"; is it one of {near}?" if near else ""))
        try:
            tasks = get_task_list(get_task_dict([name], self._manager, "simple"))
        # What data sets, the hub and a task's own code raise has no common type.
        except Exception as error:
            attempt = getattr(error, "last_attempt", None)  # lmms-eval's retries hide the cause
            cause = (attempt.exception() if attempt else None) or error
            reason = " ".join(str(cause).split())[:300] or type(cause).__name__
            raise EvaluationError(f"task {name} cannot be loaded: {reason}") from error
        for each in tasks:
            if each.task.OUTPUT_TYPE != "generate_until":
                asks = f"task {each.task_name} asks for {each.task.OUTPUT_TYPE}"
                raise EvaluationError(f"{asks}; visplay answers generate_until, a text to a question")

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
                task_manager=self._manager,
                limit=limit,
                bootstrap_iters=0,
                log_samples=True,
                cli_args=Namespace(output_path=str(folder), process_with_media=False, reasoning_tags=None),
                # MMMU guesses at what it cannot read, from one random stream that threads would share in any order.
                process_docs_parallel=_JUDGED_AT_ONCE if name in JUDGED else 1,
            )
        samples, figures = results["samples"], results["results"]
        return [_found(task, samples[task], figures[task], model.said) for task in sorted(samples)]


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
    for place, sample in sorted(first.items()):
        scores = {metric: sample[metric] for metric in reported if metric in sample}
        marks = [mark for metric, score in scores.items() if (mark := _mark(metric, score)) is not None]
        row = {"task": task, "item": f"{task}/{place}", **asdict(said[task, place]), "target": sample["target"]}
        answers.append({**row, "correct": next(iter(marks), None), "scores": scores})
    by_item = {answer["item"]: answer["correct"] for answer in answers}
    return Found(task, tuple(answers), reported, None if None in by_item.values() else by_item)


def _mark(metric: str, score: Any) -> bool | None:
    """Right or wrong; None if a score does not say so, such as a judge's 0.4."""
    if metric == "mmmu_acc" and isinstance(score, Mapping):
        # MMMU is marked when it is summed up, by the rules of its authors.
        from lmms_eval.tasks.mmmu.utils import evaluate_mmmu

        marks, _ = evaluate_mmmu([score])
        return bool(marks[score["id"]] == "Correct")
    if isinstance(score, Mapping):
        # MMStar, HallusionBench after its judge, MATH-Vision.
        score = next((score[key] for key in ("score", "correct", "scores") if key in score), None)
    if isinstance(score, (list, tuple)) and len(score) == 1:
        score = score[0]
    return bool(score) if isinstance(score, (bool, int, float)) and score in (0, 1) else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave standard output to our table, and lmms-eval's log to its errors."""
    with redirect_stdout(sys.stderr):
        import lmms_eval.models  # noqa: F401  # it sets up a log of its own when first imported
        from loguru import logger

        logger.remove()
        logger.add(sys.stderr, level="ERROR", format="lmms-eval: {message}")
        yield
