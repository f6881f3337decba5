"""Labelled questions in the formats that others write: the same rows are read from each."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from visplay.errors import EvaluationError
from visplay.evaluation.suites.file import Labelled, read_labelled
from visplay.types import ImageList


def png(color: str) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (6, 4), color).save(buffer, "PNG")
    return buffer.getvalue()


ROWS: list[dict[str, Any]] = [
    {"id": "a", "image": "red.png", "question": "what colour?", "answer": "red", "type": "colour"},
    {"id": "b", "image": "blue.png", "question": "which?", "answer": "B", "choices": ["red", "blue"]},
    {"id": "c", "image": "blue.png", "question": "how many,\nin all?", "answer": "1"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for color in ("red", "blue"):
        (tmp_path / f"{color}.png").write_bytes(png(color))
    return tmp_path


def table(path: Path, rows: list[dict[str, Any]], delimiter: str) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


# Tables have every column in every row.
FULL = [{"type": None, "choices": None} | row for row in ROWS]


def as_text(row: dict[str, Any]) -> dict[str, Any]:
    return row | ({"choices": json.dumps(row["choices"])} if "choices" in row else {})


def to_jsonl(folder: Path) -> Path:
    path = folder / "quiz.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS))
    return path


def to_csv(folder: Path) -> Path:
    return table(folder / "quiz.csv", [as_text(row) for row in ROWS], ",")


def to_tsv(folder: Path) -> Path:
    return table(folder / "quiz.TSV", [as_text(row) for row in ROWS], "\t")


def to_parquet(folder: Path) -> Path:
    path = folder / "quiz.parquet"
    pq.write_table(pa.Table.from_pylist(FULL), path)
    return path


@pytest.mark.parametrize("write", [to_jsonl, to_csv, to_tsv, to_parquet])
def test_every_format_gives_the_same_items(folder: Path, write: Callable[[Path], Path]) -> None:
    read = read_labelled(write(folder))
    assert read.skipped == () and read.suite.name == "quiz"
    told = [(i.id, i.question, i.answer, i.choices, i.kind) for i in read.suite.items]
    assert told == [
        ("quiz/a", "what colour?", "red", (), "colour"),
        ("quiz/b", "which?", "B", ("red", "blue"), ""),
        ("quiz/c", "how many,\nin all?", "1", (), ""),
    ]
    colors = [item.image.load().getpixel((0, 0)) for item in read.suite.items]
    assert colors == [(255, 0, 0), (0, 0, 255), (0, 0, 255)]
    assert read.suite.items[1].image.id == read.suite.items[2].image.id, "one image, asked about twice"


def test_a_tsv_of_vlmevalkit(folder: Path) -> None:
    """Images in base64, options in columns, the kind as category."""
    rows = [
        {"index": 7, "image": base64.b64encode(png("red")).decode(), "question": "?", "A": "red", "B": "blue"},
        {
            "index": 8,
            "image": base64.b64encode(png("red")).decode(),
            "question": "??",
            "A": "red",
            "B": "blue",
            "C": "grey",
        },
        {"index": 9, "image": "6", "question": "???", "A": "red", "B": "blue"},
        {"index": 10, "image": "!" * 200, "question": "????", "A": "red", "B": "blue"},
    ]
    read = read_labelled(table(folder / "mm.tsv", [row | {"answer": "A", "category": "colour"} for row in rows], "\t"))
    assert [(i.id, i.choices, i.kind) for i in read.suite.items] == [
        ("mm/7", ("red", "blue"), "colour"),
        ("mm/8", ("red", "blue", "grey"), "colour"),
    ]
    assert {item.image.load().getpixel((0, 0)) for item in read.suite.items} == {(255, 0, 0)}
    assert list(read.skipped) == [
        "row 3: cannot read image 6 (no such file)",
        "row 4: image is neither a path nor base64",
    ]


def test_questions_as_mmmu_writes_them(folder: Path) -> None:
    """Options as text that Python reads, several images in columns of their own, open questions with none."""
    features = Features(
        {name: Value("string") for name in ("id", "question", "options", "answer")}
        | {f"image_{n}": Image(decode=False) for n in (1, 2)}
    )
    one, two = ({"bytes": png(color), "path": None} for color in ("red", "blue"))
    rows = [
        {"id": "x", "question": "<image 1> Which is red?", "options": "['<image 1>', '<image 2>']", "answer": "A"},
        {"id": "y", "question": "How many?", "options": "[]", "answer": "1"},
    ]
    rows = [rows[0] | {"image_1": one, "image_2": two}, rows[1] | {"image_1": two, "image_2": None}]
    Dataset.from_list(rows, features=features).to_parquet(folder / "mmmu.parquet")
    read = read_labelled(folder / "mmmu.parquet")
    first, second = read.suite.items
    assert first.question == "Which is red?" and first.choices == ("<image 1>", "<image 2>")
    assert isinstance(first.image, ImageList) and len(first.image.parts) == 2
    assert [part.load().getpixel((0, 0)) for part in first.image.parts] == [(255, 0, 0), (0, 0, 255)]
    assert second.choices == () and second.image.load().getpixel((0, 0)) == (0, 0, 255)


def test_several_images_in_a_list(folder: Path) -> None:
    path = folder / "pairs.jsonl"
    row = {"images": ["red.png", "blue.png"], "question": "which is blue?", "answer": "the second"}
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"images": []}) + "\n" + json.dumps(row | {"images": 3}))
    read = read_labelled(path)
    assert [part.id for part in read.suite.items[0].image.parts] == ["pairs/red.png", "pairs/blue.png"]
    assert list(read.skipped) == ["line 2: no image", "line 3: images: Input should be a valid array"]


def test_one_row_in_a_hundred_is_broken_and_each_is_named(folder: Path) -> None:
    rows = [dict(ROWS[0], id=str(n)) for n in range(1000)]
    for n in range(0, 1000, 100):
        rows[n] |= [{"answer": ""}, {"image": "gone.png"}][n // 100 % 2]
    read = read_labelled(table(folder / "many.csv", rows, ","))
    assert len(read.suite.items) == 990 and len(read.skipped) == 10
    reasons = ("answer: Field required", "cannot read image gone.png (no such file)")
    assert list(read.skipped) == [f"row {100 * n + 1}: {reasons[n % 2]}" for n in range(10)]


def test_a_line_with_too_few_or_too_many_cells(folder: Path) -> None:
    path = folder / "torn.csv"
    path.write_text("image,question,answer\nred.png,?,red\nred.png,?\nred.png,?,red,red\n")
    read: Labelled = read_labelled(path)
    assert len(read.suite.items) == 1
    assert list(read.skipped) == [
        "row 2: not 3 cells, as the first line has",
        "row 3: not 3 cells, as the first line has",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("quiz.parquet", b"PAR1 no", "cannot read .*quiz.parquet"),
        ("quiz.csv", b"image,question,answer\n\xff\xfe,?,x\n", "cannot read .*quiz.csv"),
        ("quiz.txt", b"red", "ends in none of .jsonl, .csv, .tsv, .parquet"),
        ("quiz.csv", b"", "has no usable row"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(EvaluationError, match=message) as caught:
        read_labelled(folder / name)
    assert "\n" not in str(caught.value)
