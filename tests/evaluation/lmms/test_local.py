"""Our suites as tasks: files without a hub, asked and scored as our own evaluator does."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import yaml

from visplay.evaluation.grading import score
from visplay.evaluation.lmms.local import METRIC, doc_to_text, doc_to_visual, process_results, task_name, write_tasks
from visplay.lab.suites.tasks import lab_suites
from visplay.roles.prompts import Prompts
from visplay.types import Completion, ImageList, ImageRef, Item, Suite

PICTURES = [item.image for item in lab_suites(0, 12, ["color"], ["pastel"])[0].items]


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!function", lambda loader, node: f"function {loader.construct_scalar(node)}")


def docs(folder: Path, name: str) -> list[dict[str, object]]:
    return parquet.read_table(folder / f"{name}.parquet").to_pylist()


def test_a_suite_becomes_a_task_file_and_its_data(tmp_path: Path) -> None:
    two = ImageList.of([PICTURES[0], PICTURES[-1]])
    items = (Item("a", PICTURES[0], "colour?", "B", ("blue", "red")), Item("b", two, "é?", "4"))
    assert write_tasks([Suite("mine/of two", items)], tmp_path) == {"visplay_mine_of_two": "mine/of two"}
    task = yaml.load((tmp_path / "visplay_mine_of_two.yaml").read_text(), _Loader)
    assert task["task"] == "visplay_mine_of_two"
    # A relative name, so that the folder can be moved.
    assert task["dataset_kwargs"]["data_files"]["test"] == "visplay_mine_of_two.parquet"
    rows = docs(tmp_path, "visplay_mine_of_two")
    assert [(row["id"], row["question"], row["answer"], row["choices"]) for row in rows] == [
        ("a", "colour?", "B", ["blue", "red"]),
        ("b", "é?", "4", []),
    ]
    shown = [[ImageRef("p", image["bytes"]).load().tobytes() for image in row["images"]] for row in rows]
    assert shown == [[part.load().tobytes() for part in item.image.parts] for item in items]
    assert len(doc_to_visual(rows[1])) == 2


def test_the_task_asks_what_our_evaluator_asks(tmp_path: Path) -> None:
    items = (Item("a", PICTURES[0], "colour?", "B", ("blue", "red")), Item("b", PICTURES[0], "how many?", "4"))
    write_tasks([Suite("s", items)], tmp_path)
    prompts = Prompts()
    wording = yaml.load((tmp_path / "visplay_s.yaml").read_text(), _Loader)["lmms_eval_specific_kwargs"]
    for item, doc in zip(items, docs(tmp_path, "visplay_s"), strict=True):
        text = doc_to_text(doc, wording["visplay"])
        assert prompts.answer(text) == prompts.answer(item.question, item.choices)
        assert doc_to_text(doc, wording["default"]).endswith("\\boxed{}.")


@pytest.mark.parametrize(
    ("text", "choices", "answer"),
    [
        ("\\boxed{red}", (), "red"),
        ("red", (), "red"),  # no box, no answer
        ("\\boxed{a} then \\boxed{b}", ("blue", "red"), "red"),
        ("\\boxed{B. red}", ("blue", "red"), "B"),
        ("\\boxed{4.0}", (), "four"),
        ("", (), "red"),
    ],
)
def test_the_task_scores_as_our_evaluator_does(
    text: str, choices: tuple[str, ...], answer: str, tmp_path: Path
) -> None:
    item = Item("a", PICTURES[0], "?", answer, choices)
    write_tasks([Suite("s", (item,))], tmp_path)
    [doc] = docs(tmp_path, "visplay_s")
    [mark] = score([item], {"a": [Completion("a", 0, (), (), text, True)]})
    assert process_results(doc, [text]) == {METRIC: float(mark.correct)}


def test_tasks_have_names_of_their_own() -> None:
    assert task_name("lab/single/pastel") == "visplay_lab_single_pastel"
