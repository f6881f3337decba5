"""The paper's eight by lmms-eval's own task files and rules, on made-up items in the columns of their data sets.

A judge answers over HTTP on this machine. Run by `make test-eval`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image as Images

from tests.evaluation.truth_table import TruthTable
from visplay.evaluation.lmms.answering import Answerer
from visplay.evaluation.lmms.evaluate import compare_tasks
from visplay.evaluation.lmms.harness import SHIPPED, Found, Harness
from visplay.evaluation.lmms.paper import TASKS
from visplay.interfaces.engine import Sampling
from visplay.roles.prompts import Prompts
from visplay.types import Request

pytestmark = pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed: make test-eval")

RED = Images.new("RGB", (8, 8), "red")
_HALLUSION = {"category": "VD", "subcategory": "chart", "visual_input": "1", "set_id": "0", "gt_answer": "1"}
_MATHVERSE = {"problem_version": "Vision Only", "question_type": "free-form", "metadata": {"split": "testmini"}}
# By task, the file that lmms-eval has of it, and two items: one that is answered right, and one that is not.
ITEMS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "mmvet": (
        "mmvet/mmvet.yaml",
        [{"question_id": f"v1_{n}", "question": q, "answer": "B", "capability": "rec"} for n, q in enumerate("rw")],
    ),
    "mmmu_val": (
        "mmmu/mmmu_val.yaml",
        [
            {
                "id": f"validation_Art_{n}",
                "question": f"{q} <image 1>",
                "options": "['red', 'blue']",
                "answer": "B",
                "question_type": "multiple-choice",
            }
            for n, q in enumerate("rw")
        ],
    ),
    "realworldqa": ("realworldqa/realworldqa.yaml", [{"question": q, "answer": "B"} for q in "rw"]),
    "visnumbench": ("", [{"question": q, "option": "(a) 0.9 (b) 0.6", "answer": "(b) 0.6"} for q in "rw"]),
    "mathverse_testmini": (
        "mathverse/mathverse_testmini.yaml",
        [
            {
                "sample_index": str(n),
                "problem_index": str(n),
                "question": q,
                "question_for_eval": q,
                "query_wo": q,
                "query_cot": q,
                "answer": "B",
                **_MATHVERSE,
            }
            for n, q in enumerate("rw")
        ],
    ),
    "mathvision_test": (
        "mathvision/mathvision_test.yaml",
        [{"id": str(n), "question": q, "options": ["1", "2"], "answer": "B"} for n, q in enumerate("rw")],
    ),
    "hallusion_bench_image": (
        "hallusion_bench/hallusion_bench_image.yaml",
        [
            {"question": q, "gt_answer_details": "B", "figure_id": "1", "question_id": str(n), **_HALLUSION}
            for n, q in enumerate("rw")
        ],
    ),
    "mmstar": (
        "mmstar/mmstar.yaml",
        [
            {"index": n, "question": q, "answer": "B", "category": "math", "l2_category": "geometry"}
            for n, q in enumerate("rw")
        ],
    ),
}
_SPLITS = {
    "mmmu_val": "validation",
    "visnumbench": "train",
    "mathverse_testmini": "testmini",
    "hallusion_bench_image": "image",
    "mmstar": "val",
}
_IMAGE = {"mmmu_val": "image_1", "mathvision_test": "decoded_image"}


class Judge(BaseHTTPRequestHandler):
    """Gives MM-Vet 0.4, and is content with any other answer that is B."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = asked["messages"][0]["content"]
        if "Correctness" in prompt:
            verdict = "0.4"
        elif "Prediction answer:" in prompt:
            verdict = "correct" if "Prediction answer:B" in prompt else "incorrect"
        else:
            verdict = str(int("Model Prediction:\n```\nB\n```" in prompt))
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": verdict}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": asked["model"], "usage": usage}
        data = json.dumps({**body, "choices": [message]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def judge() -> Iterator[None]:
    """Tasks read where it is when they are loaded."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Judge) as server, pytest.MonkeyPatch.context() as environment:
        Thread(target=server.serve_forever, daemon=True).start()
        environment.setenv("OPENAI_API_URL", f"http://127.0.0.1:{server.server_port}/v1/chat/completions")
        environment.setenv("OPENAI_API_KEY", "a key")
        yield
        server.shutdown()


def write(folder: Path) -> list[str]:
    """The task files with our items in the place of their data."""
    from datasets import Dataset, Image

    theirs = resources.files("lmms_eval") / "tasks"
    for task in TASKS:
        file, rows = ITEMS[task]
        column = _IMAGE.get(task, "image")
        data = Dataset.from_list([{**row, column: RED} for row in rows]).cast_column(column, Image())
        data.to_parquet(folder / f"{task}.parquet")
        lines = [
            f"include: {theirs / file if file else SHIPPED / 'visnumbench.yaml'}",
            f"task: made_up_{task}",
            "tag: made_up",
            "dataset_path: parquet",
            "dataset_name: null",
            "dataset_kwargs:",
            "  data_files:",
            f"    {_SPLITS.get(task, 'test')}: {task}.parquet",
        ]
        (folder / f"{task}.yaml").write_text("\n".join(lines) + "\n")
    return [f"made_up_{task}" for task in TASKS]


def answer(request: Request, _: Sampling) -> str:
    """B to the question r, A to the question w."""
    return "B" if re.search(r"\br\b", request.prompt) else "A"


@pytest.fixture(scope="module")
def found(judge: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    folder = tmp_path_factory.mktemp("paper")
    names = write(folder)
    harness = Harness(names, folder)
    answerer = Answerer(TruthTable(answer), Prompts(reasoner="{question}\n\\boxed{}"), None, 8)
    results = [each for name in names for each in harness.evaluate(answerer, name, None, folder)]
    assert [each.task for each in results] == names
    return {each.task.removeprefix("made_up_"): each for each in results}


@pytest.mark.parametrize("task", [task for task in TASKS if task != "mmvet"])
def test_single_items_are_marked_by_each_benchmarks_own_rule(task: str, found: dict[str, Found]) -> None:
    assert [answer["given"] for answer in found[task].answers] == ["B", "A"]
    assert found[task].marks == {f"made_up_{task}/0": True, f"made_up_{task}/1": False}


def test_a_judges_degrees_are_reported_and_claim_nothing(found: dict[str, Found]) -> None:
    assert found["mmvet"].marks is None
    figures = compare_tasks({"base": [found["mmvet"]], "evolved": [found["mmvet"]]})[0]["made_up_mmvet"]["evolved"]
    assert figures == {"n": 2, "lmms_eval": {"gpt_eval_score": pytest.approx(40.0)}}


@pytest.mark.parametrize(
    ("task", "metric", "value"),
    [
        ("mmmu_val", "mmmu_acc", 0.5),
        ("realworldqa", "exact_match", 0.5),
        ("visnumbench", "accuracy", 0.5),
        ("mathverse_testmini", "gpt_eval_score", 0.5),
        ("mathvision_test", "mathvision_standard_eval", 50.0),
        ("hallusion_bench_image", "aAcc", 50.0),
        ("mmstar", "average", 0.5),
    ],
)
def test_lmms_evals_own_figures_are_kept(task: str, metric: str, value: float, found: dict[str, Found]) -> None:
    assert found[task].reported[metric] == pytest.approx(value)


def test_a_change_is_paired_by_item(found: dict[str, Found]) -> None:
    both = list(found.values())
    summary, _ = compare_tasks({"base": both, "evolved": both})
    changes = {task: figures["evolved"].get("difference") for task, figures in summary.items()}
    assert [task for task, change in changes.items() if change is None] == ["made_up_mmvet"]
    assert all(change["mean"] == 0 for change in changes.values() if change)
