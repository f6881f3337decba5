"""Labelled files: every usable row is read, every other one is named."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from visplay.errors import EvaluationError, ImageError
from visplay.evaluation.suites import file
from visplay.evaluation.suites.file import read_labelled


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (20, 10), "red").save(tmp_path / "images" / "red.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    return tmp_path / "quiz.jsonl"


def row(**changes: object) -> str:
    values = {"image": "images/red.png", "question": "what colour?", "answer": "red"} | changes
    return json.dumps({key: value for key, value in values.items() if value is not ...})


def test_reads_rows_with_paths_relative_to_the_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    lines = [row(), "", row(id="x", type="colour"), row(answer=3), row(choices=["red", 2.5], answer="b", id=7)]
    data.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    read = read_labelled(data)
    assert read.skipped == ()
    assert read.suite.name == "quiz"
    assert [item.id for item in read.suite.items] == ["quiz/line-1", "quiz/x", "quiz/line-4", "quiz/7"]
    assert [item.answer for item in read.suite.items] == ["red", "red", "3", "b"]
    assert [item.kind for item in read.suite.items] == ["", "colour", "", ""]
    assert read.suite.items[-1].choices == ("red", "2.5")
    assert {item.image.load().size for item in read.suite.items} == {(20, 10)}


MALFORMED = [
    ("{not json", "Invalid JSON"),
    ('"text"', "Input should be an object"),
    ("[" * 100_000, "Invalid JSON: recursion limit"),
    (row(answer=...), "answer: Field required"),
    (row(image=...), "no image"),
    (row(question="  "), "question: String should have at least 1 character"),
    (row(answer=""), "answer: String should have at least 1 character"),
    (row(answer=None), "answer: Input should be a valid string"),
    (row(answer={"a": "red"}), "answer: Input should be a valid string"),
    (row(answer=[["red"]]), "answer: Input should be a valid string"),
    (row(image="nowhere.png"), "nowhere.png (no such file)"),
    (row(image="broken.png"), "cannot read image broken.png"),
    (row(image="images"), "cannot read image images"),
    (row(image="a\0b"), "cannot read image"),
    (row(choices="[{[]: 1}]"), "choices: Input should be a valid array"),
    (row(image=..., images="[{{}}]"), "cannot read image"),
    (row(choices="red"), "choices: Input should be a valid array"),
    (row(choices=["red"]), "choices must be a list of 2 to 26"),
    (row(choices=["red", " red"]), "choices must differ"),
    (row(choices=["blue", "green"]), "answer 'red' is none of the choices"),
    (row(answer="C", choices=["blue", "green"]), "answer 'C' is none of the choices"),
    (row(type=[]), "type: Input should be a valid string"),
    (row(question="\ud800?"), "Invalid JSON"),
]


@pytest.mark.parametrize(("line", "reason"), MALFORMED, ids=[reason for _, reason in MALFORMED])
def test_a_malformed_row_is_skipped_and_named(data: Path, line: str, reason: str) -> None:
    data.write_text(f"{row()}\n\n{line}\n{row()}\n", encoding="utf-8")
    read = read_labelled(data)
    assert [item.id for item in read.suite.items] == ["quiz/line-1", "quiz/line-4"]
    [skipped] = read.skipped
    assert skipped.startswith("line 3: ")
    assert reason in skipped and "\n" not in skipped


def test_repeated_ids_and_other_encodings_are_skipped(data: Path) -> None:
    data.write_bytes("\n".join([row(id="a"), row(id="a")]).encode() + b"\n\xff\xfe\n")
    read = read_labelled(data)
    assert len(read.suite.items) == 1
    repeated, unread = read.skipped
    assert repeated == "line 2: id 'quiz/a' was used by an earlier row"
    assert unread.startswith("line 3: Invalid JSON")


@pytest.mark.parametrize("text", ["", "\n\n", "{}\n[]\n"])
def test_a_file_without_a_usable_row_is_one_line_of_error(data: Path, text: str) -> None:
    data.write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match="no usable row") as caught:
        read_labelled(data)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line_of_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(EvaluationError, match="cannot read") as caught:
            read_labelled(path)
        assert "\n" not in str(caught.value)


def test_odd_values_cost_their_row_and_the_reason_is_one_line(data: Path) -> None:
    os.mkfifo(data.parent / "pipe.png")
    (data.parent / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    Image.new("RGB", (402, 2)).save(data.parent / "strip.png")
    bad = {
        "pipe.png": row(image="pipe.png"),
        "not a regular file": row(image="/dev/zero"),
        "not an image": row(image="eps.png"),
        "402 x 2": row(image="strip.png"),
        "null byte": row(image="a\0b.png"),
        "file name too long": row(image="x" * 300 + ".png"),
        "neither a path nor base64": row(image="data:image/png;base64,?" + "A" * 99),
        r"answer '\x1b]0;owned'": row(choices=["red", "blue"], answer="\x1b]0;owned"),
        "number out of range": '{"image": "images/red.png", "question": "?", "answer": ' + "9" * 5000 + "}",
        "JSON": "[" * 100_000,
    }
    data.write_text("\n".join([row(), *bad.values()]))
    read = read_labelled(data)
    assert [item.id for item in read.suite.items] == ["quiz/line-1"]
    for reason, expected in zip(read.skipped, bad, strict=True):
        assert expected in reason and reason.isprintable() and len(reason) < 600


def test_a_data_uri_is_an_image(data: Path) -> None:
    text = base64.b64encode((data.parent / "images" / "red.png").read_bytes()).decode()
    data.write_text("\n".join(row(id=n, image=start + text) for n, start in enumerate(("data:image/png;base64,", ""))))
    first, second = read_labelled(data).suite.items
    assert first.image.id == second.image.id and first.image.load().size == (20, 10)


def test_columns_that_nobody_reads_are_not_read(data: Path) -> None:
    far = pa.array([2**62, 1], pa.timestamp("ms"))
    columns = {"image": ["images/red.png"] * 2, "question": ["?"] * 2}
    for name, table in {"unread": {"answer": ["red"] * 2, "when": far}, "read": {"answer": far}}.items():
        pq.write_table(pa.table({**columns, **table}), data.with_name(f"{name}.parquet"))
    assert len(read_labelled(data.with_name("unread.parquet")).suite.items) == 2
    with pytest.raises(EvaluationError, match=r"no usable row .*row 1: cannot be read: "):
        read_labelled(data.with_name("read.parquet"))


@pytest.mark.parametrize("name", ["pipe.jsonl", "zero.csv", "folder.parquet", "n" * 300 + ".tsv", "nul\0.jsonl"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(EvaluationError, match=r"cannot read .*: (not a regular file|file name too long|embedded null)"):
        read_labelled(tmp_path / name)


def test_a_line_without_an_end_is_not_read_into_memory(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "_LONGEST_LINE", 1000)
    for suffix in (".jsonl", ".csv"):
        data.with_suffix(suffix).write_text("image,question,answer\n" + "x" * 1000)
        with pytest.raises(EvaluationError, match="a line of more than 1000 characters"):
            read_labelled(data.with_suffix(suffix))


def test_contents_that_change_after_the_reading_are_noticed(data: Path) -> None:
    data.write_text(row())
    (item,) = read_labelled(data).suite.items
    Image.new("RGB", (20, 10), "blue").save(data.parent / "images" / "red.png")
    with pytest.raises(ImageError, match=r"images/red\.png: its contents changed"):
        item.image.load()


def test_a_million_blanks_take_no_time(data: Path) -> None:
    begun = time.monotonic()
    data.write_text(row(question="What" + " " * 1_000_000 + "is it? <image 1>") + "\n", encoding="utf-8")
    (item,) = read_labelled(data).suite.items
    assert len(item.question) > 1_000_000 and time.monotonic() - begun < 5
