"""Labelled rows in the forms in which people write them: what each means, and what is refused as ambiguous."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value
from PIL import Image as Pillow

from visplay.errors import ConfigError, EvaluationError
from visplay.evaluation.grading import is_correct
from visplay.evaluation.suites.file import read_labelled
from visplay.types import AnswersAre, Item


def png(color: str) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (6, 4), color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("red", "blue", "a b"):
        (tmp_path / f"{name}.png").write_bytes(png(name if name != "a b" else "green"))
    return tmp_path


def read(folder: Path, row: dict[str, Any], answers_are: AnswersAre | None = None) -> tuple[list[Item], list[str]]:
    """The item of a row, or why there is none."""
    path = folder / "quiz.json"
    good = {"id": "good", "image": "red.png", "question": "?", "answer": "x"}
    path.write_text(json.dumps([{"image": "red.png"} | row, good]))
    found = read_labelled(path, answers_are=answers_are)
    return [item for item in found.suite.items if item.id != "quiz/good"], list(found.skipped)


def one(folder: Path, **row: Any) -> Item:
    items, skipped = read(folder, {"question": "which?"} | row)
    assert skipped == []
    return items[0]


def refused(folder: Path, answers_are: AnswersAre | None = None, **row: Any) -> str:
    items, skipped = read(folder, {"question": "which?"} | row, answers_are)
    assert items == []
    return skipped[0]


CHAT = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "It is \\boxed{red}."}]
MESSAGES = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]},
    {"role": "assistant", "content": "<think>blue?</think><answer>red</answer>"},
    {"role": "user", "content": "And then?"},
    {"role": "assistant", "content": "blue"},
]


@pytest.mark.parametrize(
    "row",
    [
        {"problem": "What?", "solution": "It looks\nlike\n\\boxed{red}"},
        {"prompt": "What?", "label": "red"},
        {"query": "What?", "target": "red"},
        {"Question": "What?", "Answer": "red"},
        {"text": "What?", "label": "red"},
        {"problem": "<image>What?", "solution": "<think>so</think> <answer> red </answer>"},
        {"question": "What?", "ground_truth": "because of this\n#### red"},
        {"conversations": CHAT},
        {"messages": MESSAGES},
        {"prompt": MESSAGES[:2], "answer": "red"},
        {"question": "What?", "answers": [{"answer": "red", "answer_id": 1}, {"answer": "red", "answer_id": 2}]},
        {"question": "What?", "answer": "red", "solution": "It is blue, at\nlength."},
        {"question": "What?", "answer": "", "label": "red"},
    ],
)
def test_a_question_with_its_answer(folder: Path, row: dict[str, Any]) -> None:
    items, skipped = read(folder, row)
    assert skipped == []
    [item] = items
    assert (item.question, item.answer, item.other_answers, item.choices) == ("What?", "red", (), ())
    assert item.image.id == "quiz/red.png" and not item.image.placed


def test_a_solution_that_gives_no_answer_is_named(folder: Path) -> None:
    assert "no final answer" in refused(folder, solution="First we see.\nThen we think.")


def test_columns_that_the_user_names(folder: Path) -> None:
    row = {"ask": "What?", "question": "no", "gold": {"answer": 3}, "picture of it": "red.png", "image": "none.png"}
    columns = {"question": "ask", "answer": "gold.answer", "image": "picture of it"}
    path = folder / "quiz.jsonl"
    path.write_text(json.dumps(row))
    [item] = read_labelled(path, columns).suite.items
    assert (item.question, item.answer) == ("What?", "3")
    pq.write_table(pa.Table.from_pylist([row]), folder / "quiz.parquet")
    [item] = read_labelled(folder / "quiz.parquet", columns).suite.items
    assert (item.question, item.answer) == ("What?", "3")
    with pytest.raises(EvaluationError, match="question: Field required"):
        read_labelled(path, {"question": "asked"})
    with pytest.raises(ConfigError, match=r"no 'qestion' \(did you mean 'question'\?\)"):
        read_labelled(path, {"qestion": "ask"})


@pytest.mark.parametrize(
    "content",
    [
        [{"image": "red.png", "question": "?", "answer": 1}],
        {"data": [{"image": "red.png", "question": "?", "answer": 1}]},
        {"row-1": {"image": "red.png", "question": "?", "answer": 1}},
        {"image": "red.png", "question": "?", "answer": 1},
    ],
)
def test_json_files(folder: Path, content: Any) -> None:
    path = folder / "quiz.json"
    for text in (json.dumps(content), json.dumps(content, indent=1)):
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        [item] = read_labelled(path).suite.items
        assert item.id == "quiz/row-1" and item.answer == "1"


def test_json_lines_under_another_name_and_damaged_json(folder: Path) -> None:
    line = json.dumps({"image": "red.png", "question": "?", "answer": 1})
    (folder / "quiz.json").write_text(f"{line}\n{line}\n")
    assert [item.id for item in read_labelled(folder / "quiz.json").suite.items] == ["quiz/line-1", "quiz/line-2"]
    (folder / "cut.json").write_text(f"[{line},\n{line[:20]}")
    with pytest.raises(EvaluationError, match=r"cannot read .*cut.json: Invalid JSON: EOF .* line 2"):
        read_labelled(folder / "cut.json")


@pytest.mark.parametrize(
    "choices",
    [
        ["red", "dark blue", "green"],
        {"A": "red", "B": "dark blue", "C": "green"},
        {"A": "red", "B": "dark blue", "C": "green", "D": None},
        {"text": ["red", "dark blue", "green"], "label": ["A", "B", "C"]},
        [{"label": "A", "text": "red"}, {"label": "B", "text": "dark blue"}, {"label": "C", "text": "green"}],
        ["A. red", "B. dark blue", "C. green"],
        ["(A) red", "(B) dark blue", "(C) green"],
        "A. red\nB. dark blue\nC. green",
        "red\ndark blue\n\ngreen",
        "(A) red (B) dark blue (C) green",
        "['red', 'dark blue', 'green']",
        '{"A": "red", "B": "dark blue", "C": "green"}',
    ],
)
@pytest.mark.parametrize("answer", ["B", "b", "(B)", "Option B", "dark blue", "Dark  Blue", "B. dark blue"])
def test_choices(folder: Path, choices: Any, answer: str) -> None:
    item = one(folder, choices=choices, answer=answer)
    assert item.choices == ("red", "dark blue", "green") and item.right_choices == (1,)
    assert is_correct("B", item) and is_correct("dark blue", item)
    assert not is_correct("A", item) and not is_correct("A, B", item)


@pytest.mark.parametrize("names", ["ABCD", ["option_a", "option_b", "option_c", "option_d"], ["Choice1", "Choice2"]])
def test_choices_in_columns(folder: Path, names: Any) -> None:
    letter = "B" if len(names) == 4 else "2"
    columns = dict(zip(names, ("red", "blue"), strict=False))
    assert one(folder, answer=letter, **columns).right_choices == (1,)


@pytest.mark.parametrize("answer", ["D", "green"])
def test_an_empty_column_of_choices_does_not_move_the_others(folder: Path, answer: str) -> None:
    path = folder / "quiz.tsv"
    path.write_text(f"image\tquestion\tA\tB\tC\tD\tN\tanswer\nred.png\t?\t\tred\tblue\tgreen\t7\t{answer}\n")
    [item] = read_labelled(path).suite.items
    assert item.choices == ("red", "blue", "green") and item.right_choices == (2,)
    assert is_correct("C", item) and is_correct("green", item) and item.answer in ("C", "green")
    assert one(folder, choices=["", "red", None, "blue"], answer="D").right_choices == (1,)


def test_an_integer_beside_choices_is_ambiguous(folder: Path) -> None:
    row = {"choices": ["3", "2", "1", "0"], "answer": 1}
    assert "answer 1 beside choices is ambiguous; say --answers-are index (counted from 0)" in refused(folder, **row)
    for how, right in (("index", 1), ("number", 0), ("text", 2)):
        [item], _ = read(folder, {"question": "?", **row}, how)
        assert item.right_choices == (right,)
        assert is_correct(row["choices"][right], item)
    assert "ambiguous" in refused(folder, choices=["red", "blue"], answer=1.0)
    assert "ambiguous" in refused(folder, choices=["red", "blue"], answer="1")
    assert "counted from 0; if the file counts from 1" in refused(folder, "index", choices=["red", "blue"], answer=2)
    assert "none of the choices" in refused(folder, "text", choices=["red", "blue"], answer=1)
    assert one(folder, choices=["12", "30", "120"], answer=30).right_choices == (1,), "no place among three"
    assert one(folder, choices=["3", "2", "1"], answer="2").right_choices == (1,), "JSON tells text from numbers"
    assert one(folder, choices={"1": "red", "2": "blue"}, answer=2).right_choices == (1,), "a label of the row's own"
    path = folder / "quiz.csv"
    path.write_text('image,question,choices,answer\nred.png,?,"[3, 2, 1]",2\n')
    with pytest.raises(EvaluationError, match="answer 2 beside choices is ambiguous"):
        read_labelled(path)


def test_a_letter_that_is_also_a_choice_is_ambiguous(folder: Path) -> None:
    row = {"choices": ["B", "A", "D", "C"], "answer": "B"}
    assert "ambiguous: the letter of one choice and the text of another" in refused(folder, **row)
    for how, right in (("letter", 1), ("index", 1), ("text", 0)):
        [item], _ = read(folder, {"question": "?", **row}, how)
        assert item.right_choices == (right,)
        assert [is_correct(text, item) for text in row["choices"]] == [place == right for place in range(4)]
    assert one(folder, choices=["A", "B"], answer="B").right_choices == (1,)
    assert one(folder, choices={"A": "B", "B": "A"}, answer="B").right_choices == (1,)


def test_choices_that_differ_in_case_alone(folder: Path) -> None:
    item = one(folder, choices=["Aa", "AA", "aa", "aA"], answer="B")
    assert [is_correct(text, item) for text in item.choices] == [False, True, False, False]
    assert one(folder, choices=["mW", "MW"], answer="MW").right_choices == (1,)


@pytest.mark.parametrize(
    "answer", ["AC", "A, C", "C and A", ["A", "C"], ["x", "z"], "x; z", "A. x, C. z", ["C. z", "A"], "C A"]
)
def test_several_right_choices(folder: Path, answer: Any) -> None:
    item = one(folder, choices=["x", "y", "z"], answer=answer)
    assert item.right_choices == (0, 2)
    for given in ("AC", "CA", "A, C", "C and A", "x, z", "A. x, C. z", "(A), (C)"):
        assert is_correct(given, item), given
    for given in ("A", "C", "ABC", "A, B", "A or C", "B", "x", ""):
        assert not is_correct(given, item), given


@pytest.mark.parametrize("answer", ["A. blue", "E", "purple", "AD", ["A", "purple"], "A or B"])
def test_what_names_no_choice_is_named(folder: Path, answer: Any) -> None:
    assert "is none of the choices" in refused(folder, choices=["red", "blue", "green"], answer=answer)


def test_choices_that_cannot_be_read_are_named(folder: Path) -> None:
    assert "truth values" in refused(folder, choices={"red": True, "blue": False}, answer="red")
    assert "not as many labels as texts" in refused(folder, choices={"label": ["A"], "text": ["x", "y"]}, answer="A")
    assert "labels of choices must differ" in refused(folder, choices={"a": "x", "A": "y"}, answer="A")
    assert "Input should be a valid array" in refused(folder, choices="red or blue", answer="red")


def test_many_choices(folder: Path) -> None:
    item = one(folder, choices=[f"{n} cm" for n in range(1, 11)], answer="J")
    assert item.right_choices == (9,) and is_correct("J", item) and is_correct("10 cm", item)


def test_any_of_several_references_is_right(folder: Path) -> None:
    for answer in (["stop", "STOP sign", "stop"], '["stop", "STOP sign"]', "['stop', 'STOP sign']"):
        item = one(folder, answer=answer)
        assert (item.answer, item.other_answers, item.reference) == ("stop", ("STOP sign",), "stop or STOP sign")
        assert is_correct("stop", item) and is_correct("stop sign", item) and not is_correct("go", item)
    assert one(folder, answer="[2, 5]").answer == "[2, 5]", "an interval is one answer"


@pytest.mark.parametrize("answer", [True, "true", "True"])
def test_truth_values(folder: Path, answer: Any) -> None:
    item = one(folder, answer=answer)
    assert is_correct("yes", item) and is_correct("True", item) and not is_correct("no", item)
    assert one(folder, answer=answer, choices=["No", "Yes"]).right_choices == (1,)
    assert one(folder, answer=answer, choices=["True", "False"]).right_choices == (0,)


def images(folder: Path) -> dict[str, Any]:
    text = base64.b64encode(png("red")).decode()
    wrapped = base64.encodebytes(png("red")).decode()
    return {
        "data URI": f"data:image/png;base64,{text}",
        "data URI with parameters": f"DATA:image/png;charset=utf-8;base64,{quote(text, safe='')}",
        "another type": f"data:application/octet-stream;base64,{text}",
        "no type": f"data:;base64,{text}",
        "wrapped": wrapped,
        "wrapped and indented": wrapped.replace("\n", "\r\n  "),
        "no padding": text.rstrip("="),
        "for addresses": base64.urlsafe_b64encode(png("red")).decode(),
        "file://": (folder / "red.png").as_uri(),
        "file://localhost": f"file://localhost{folder}/red.png",
        "file beside": "file://red.png",
        "absolute": str(folder / "red.png"),
        "struct": {"bytes": text, "path": "gone.png"},
        "struct with a path": {"bytes": None, "path": "red.png"},
        "of a message": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}},
        "list": ["red.png"],
        "list as text": "['red.png']",
    }


@pytest.mark.parametrize("form", images(Path("/")))
def test_images(folder: Path, form: str) -> None:
    item = one(folder, image=images(folder)[form], answer="x")
    assert item.image.load().getpixel((0, 0)) == (255, 0, 0)


def test_spaces_in_addresses_and_images_that_are_elsewhere(folder: Path) -> None:
    assert one(folder, image=(folder / "a b.png").as_uri(), answer="x").image.load().getpixel((0, 0)) == (0, 128, 0)
    assert "address on the web" in refused(folder, image="https://example.org/red.png", answer="x")
    assert "no such file" in refused(folder, image="file:///nowhere/green.png", answer="x")
    assert "without base64" in refused(folder, image="data:image/png,abc", answer="x")


def test_parquet_of_datasets(folder: Path) -> None:
    features = Features({"image": Image(), "question": Value("string"), "label": ClassLabel(names=["cat", "dog"])})
    rows = {"image": [{"bytes": png("red"), "path": None}], "question": ["<image>What?"], "label": [1]}
    Dataset.from_dict(rows, features=features).to_parquet(folder / "quiz.parquet")
    [item] = read_labelled(folder / "quiz.parquet").suite.items
    assert (item.question, item.answer) == ("What?", "dog")
    assert item.image.load().getpixel((0, 0)) == (255, 0, 0)


BOTH = {"images": ["red.png", "blue.png"]}


@pytest.mark.parametrize(
    ("row", "question", "choices", "shown", "placed"),
    [
        ({"question": "Is <image 1> as <image 2>?"}, "Is <image 1> as <image 2>?", (), "12", True),
        ({"question": "Is <image> as <image>?"}, "Is <image 1> as <image 2>?", (), "12", True),
        ({"question": "<image>\n<image>\nSame?"}, "Same?", (), "12", False),
        ({"question": "Same?\n<image><image>"}, "Same?\n<image 1><image 2>", (), "12", True),
        ({"question": "<image 2> or <image 1>?"}, "or <image 2>?", (), "21", True),
        ({"question": "Like <image2>?"}, "Like <image 2>?", (), "12", True),
        ({"question": "Is <image 1> <image_2>, as <image 1>?"}, "Is <image 1> <image 2>, as image 1?", (), "12", True),
        ({"question": "Is it <image 2>, or <image 1>?"}, "Is it <image 1>, or <image 2>?", (), "21", True),
        (
            {"question": "<image 1> Which?", "choices": ["<image 1>", "<image 2>"], "answer": "B"},
            "Which?",
            ("<image 1>", "<image 2>"),
            "12",
            True,
        ),
        (
            {"question": "<image 1> Which?", "choices": ["none", "<image 2>"], "answer": "B"},
            "Which?",
            ("none", "<image 2>"),
            "12",
            True,
        ),
    ],
)
def test_images_keep_their_places(
    folder: Path, row: dict[str, Any], question: str, choices: tuple[str, ...], shown: str, placed: bool
) -> None:
    item = one(folder, **(BOTH | {"answer": "yes"} | row))
    assert (item.question, item.choices, item.image.placed) == (question, choices, placed)
    names = {"quiz/red.png": "1", "quiz/blue.png": "2"}
    assert "".join(names[part.id] for part in item.image.parts) == shown


def test_options_that_are_images_without_numbers(folder: Path) -> None:
    item = one(folder, **BOTH, question="Which is blue?", choices=["<image>", "<image>"], answer="B")
    assert item.choices == ("<image 1>", "<image 2>") and item.right_choices == (1,) and item.image.placed


def test_a_place_for_an_image_that_is_not_there_is_named(folder: Path) -> None:
    assert "names image 3, and the row has 2" in refused(folder, **BOTH, question="Is <image 3> red?", answer="yes")
    assert "names image 2, and the row has 1" in refused(folder, question="<image> <image> same?", answer="yes")
