"""Our suites as tasks of lmms-eval: a Parquet file and a task file each, without a hub.

    visplay_lab_single_pastel.parquet   id, question, answer, choices, images
    visplay_lab_single_pastel.yaml      how lmms-eval asks and scores them

Answers are judged by the project's own `is_correct`, so lmms-eval's figures and ours can be compared item by item.
The folder can be moved, and given to any model of lmms-eval (`--include_path`) where visplay is installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from visplay.answers import extract_boxed
from visplay.evaluation.grading import is_correct
from visplay.roles.prompts import lettered
from visplay.types import ImageRef, Item, Suite

METRIC = "accuracy"
WHOLE_TEXT = "whole_text"
"""In a task's `generation_kwargs`: the scorer reads the box itself, so that an unboxed answer can be told."""

_ASK_FOR_A_BOX = "\nGive the final answer in \\boxed{}."
_TASK_FILE = """\
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {name}.parquet
test_split: test
output_type: generate_until
doc_to_visual: !function visplay.evaluation.lmms.local.doc_to_visual
doc_to_text: !function visplay.evaluation.lmms.local.doc_to_text
doc_to_target: answer
process_results: !function visplay.evaluation.lmms.local.process_results
generation_kwargs:
  max_new_tokens: 1024
  do_sample: false
  {whole_text}: true
metric_list:
  - metric: {metric}
    aggregation: mean
    higher_is_better: true
lmms_eval_specific_kwargs:
{wording}
metadata:
  version: 1.0
"""


def task_name(suite: str) -> str:
    """`visplay_lab_single_pastel` for `lab/single/pastel`."""
    return "visplay_" + re.sub(r"\W+", "_", suite)


def write_tasks(suites: Sequence[Suite], folder: Path) -> dict[str, str]:
    """Write each suite as a task into `folder`.

    Returns:
        names of suites by the names of their tasks.
    """
    from datasets import Dataset, Features, Image, Sequence, Value, disable_progress_bars

    disable_progress_bars()
    text = Value("string")
    columns = Features(
        {"id": text, "question": text, "answer": text, "choices": Sequence(text), "images": Sequence(Image())}
    )
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for suite in suites:
        name = task_name(suite.name)
        names[name] = suite.name
        Dataset.from_list([_row(item) for item in suite.items], columns).to_parquet(folder / f"{name}.parquet")
        # Models that know of no box are asked for one; ours have a wording of their own.
        wording = {"default": {"post_prompt": _ASK_FOR_A_BOX}, "visplay": {"post_prompt": ""}}
        lines = yaml.safe_dump(wording, sort_keys=False).splitlines()
        task = _TASK_FILE.format(
            name=name, whole_text=WHOLE_TEXT, metric=METRIC, wording="\n".join(f"  {line}" for line in lines)
        )
        (folder / f"{name}.yaml").write_text(task, encoding="utf-8")
    return names


def _row(item: Item) -> dict[str, Any]:
    images = [{"bytes": _bytes(part), "path": None} for part in item.image.parts]
    return {
        "id": item.id,
        "question": item.question,
        "answer": item.answer,
        "choices": list(item.choices),
        "images": images,
    }


def _bytes(image: ImageRef) -> bytes:
    return image.data if isinstance(image.data, bytes) else image.data.read_bytes()


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """The item's images."""
    return list(doc["images"])


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, str]) -> str:
    """The question, its choices lettered below it."""
    return lettered(doc["question"], doc["choices"]) + lmms_eval_specific_kwargs["post_prompt"]


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """1 where the boxed answer is right, else 0."""
    item = Item(doc["id"], ImageRef(doc["id"], b""), doc["question"], doc["answer"], tuple(doc["choices"]))
    return {METRIC: float(is_correct(extract_boxed(results[0]), item))}
