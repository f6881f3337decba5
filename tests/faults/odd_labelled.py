"""Labelled files that are damaged at random, 420 of them, and some that are odd on purpose."""

from __future__ import annotations

import base64
import io
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COUNT = 420
ROW: dict[str, Any] = {"image": "a.png", "question": "what color?", "answer": "red"}
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n%%EOF\n" + b" " * 200


def images(folder: Path) -> bytes:
    """Write the images that rows name, good and bad ones; returns the good one's bytes."""
    Image.new("RGB", (32, 32), "red").save(folder / "a.png")
    Image.new("1", (9000, 9000)).save(folder / "wide.png")
    Image.new("RGB", (402, 2)).save(folder / "strip.png")
    (folder / "text.png").write_text("no image")
    (folder / "eps.png").write_bytes(POSTSCRIPT)
    os.mkfifo(folder / "fifo.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    return (folder / "a.png").read_bytes()


def damaged(folder: Path, png: bytes, seed: int = 0) -> Iterator[Path]:
    """Files of every kind, of which bits, bytes and pieces are other than they were."""
    rng = random.Random(seed)
    good = dict(_good(png))
    for n in range(COUNT):
        suffix = list(good)[n % len(good)]
        content = bytearray(good[suffix])
        for _ in range(rng.choice((1, 1, 3, 10, 50))):
            if not content:
                break
            # The last bytes of a Parquet file say where everything else is.
            late = suffix.endswith("parquet") and rng.random() < 0.5
            place = len(content) - 1 - rng.randrange(min(len(content), 600)) if late else rng.randrange(len(content))
            kind = rng.random()
            if kind < 0.6:
                content[place] ^= 1 << rng.randrange(8)
            elif kind < 0.75:
                content[place] = rng.choice(b'"{}[],\n\r\t\0\\\xff')
            elif kind < 0.9:
                del content[place : place + rng.randrange(1, 30)]
            else:
                content[place:place] = rng.randbytes(8)
        file = folder / f"damaged-{n}.{suffix}"
        file.write_bytes(bytes(content))
        yield file


def _good(png: bytes) -> Iterator[tuple[str, bytes]]:
    yield "jsonl", b"\n".join(json.dumps({**ROW, "id": n}).encode() for n in range(20))
    yield "json", json.dumps([{**ROW, "id": n, "choices": {"A": "red", "B": "blue"}} for n in range(20)]).encode()
    lines = "image,question,answer\n" + "".join(f"a.png,q{n},red\n" for n in range(20))
    yield "csv", lines.encode()
    yield "tsv", lines.replace(",", "\t").encode()
    for suffix, cell, rows, packing in (("parquet", png, 20, "none"), ("zstd.parquet", "a.png", 300, "zstd")):
        buffer = io.BytesIO()
        table = {"image": [cell] * rows, "question": [f"q{n}" for n in range(rows)], "answer": ["x"] * rows}
        pq.write_table(pa.table(table), buffer, compression=packing)
        yield suffix, buffer.getvalue()


def odd(folder: Path, png: bytes) -> Iterator[Path]:
    """Files with values that some reader once did not expect."""
    for name, content in {**_jsonl(png), **_raw()}.items():
        file = folder / name
        file.write_bytes(content)
        yield file
    for name, table in _tables(png).items():
        file = folder / f"{name}.parquet"
        pq.write_table(table, file)
        yield file
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "null.csv").symlink_to("/dev/zero")
    (folder / "folder.parquet").mkdir()
    yield from (folder / name for name in ("pipe.jsonl", "null.csv", "folder.parquet"))
    yield folder / ("long" * 100 + ".jsonl")
    yield folder / "nul\0.jsonl"


def _jsonl(png: bytes) -> dict[str, bytes]:
    text = base64.b64encode(png).decode()
    eps = base64.b64encode(POSTSCRIPT).decode()
    answers: dict[str, Any] = {"huge": 10**400, "float": 1e308, "true": True, "null": None, "list": ["a"]}
    answers |= {"escape": "\x1b]0;owned\x07"}
    values: dict[str, Any] = {f"answer-{name}": {"answer": value} for name, value in answers.items()}
    deep: dict[str, Any] = {"brackets": "[" * 100_000, "minus": "[" + "-" * 200_000 + "1]"}
    deep |= {"round": "[" + "(" * 100_000}
    deep |= {"power": "[9**9**9, 1]", "call": "[__import__('os').getcwd(), 'b']", "digits": "[" + "9" * 5000 + ",1]"}
    deep |= {"one": ["red"], "many": [str(n) for n in range(27)], "same": ["red", "RED"], "huge": [10**400, 2]}
    values |= {f"choices-{name}": {"choices": value} for name, value in deep.items()}
    pictures: dict[str, Any] = {"passwd": "/etc/passwd", "up": "../../../../etc/passwd", "url": "http://127.0.0.1:1/a"}
    pictures |= {"nul": "a\0b.png", "long": "x" * 300 + ".png", "longer": "x" * 5000, "zero": "/dev/zero", "here": "."}
    pictures |= {"fifo": "fifo.png", "link": "zero.png", "self": "/proc/self/mem"}
    pictures |= {"empty": "", "blank": "  ", "dots": ".."}
    pictures |= {"path": {"path": "a.png"}, "number": {"bytes": 5}, "none": {}, "huge": 10**400, "list": ["a.png"]}
    pictures |= {"eps": "eps.png", "text": "text.png", "strip": "strip.png", "wide": "wide.png", "base64": text}
    pictures |= {"base64-bad": "A" * 65, "base64-eps": eps, "uri": f"data:image/png;base64,{text}"}
    pictures |= {"uri-eps": f"data:image/eps;base64,{eps}", "uri-cut": "data:image/png;base64," + "A" * 99}
    values |= {f"image-{name}": {"image": value} for name, value in pictures.items()}
    ids = {"long": "y" * 300, "nul": "y\0y", "lines": "a\nb", "huge": 10**400, "path": "../../x"}
    values |= {f"id-{name}": {"id": value} for name, value in ids.items()}
    chats: dict[str, Any] = {"text": "x", "numbers": [1, 2], "empty": [{}], "deep": [{"role": "user", "content": [[]]}]}
    chats |= {"role": [{"from": ["human"], "value": 3}, {"from": None}]}
    values |= {f"chat-{name}": {"question": None, "conversations": value} for name, value in chats.items()}
    values |= {"answer-tags": {"answer": "<answer>" * 10**5}, "answer-boxes": {"answer": "\\boxed{" * 10**5}}
    values |= {"choices-letters": {"choices": "A. x " * 10**5}, "choices-spaces": {"choices": "A." + " " * 10**6}}
    values |= {
        "choices-mapping": {"choices": {"A": {"B": 1}, "C": [2]}},
        "choices-labels": {"choices": {"a": 1, "A": 2}},
    }
    values |= {"answer-spaces": {"answer": " " * 10**6 + "x", "choices": ["x", "y"]}}
    values |= {"answer-commas": {"answer": "A," * 10**5, "choices": ["x", "y"]}}
    values |= {"image-address": {"image": "file://["}, "image-web": {"image": "https://example.org/" + "a" * 10**6}}
    values |= {
        "image-spaces": {"image": "A" + " " * 10**6 + "A"},
        "marks-spaces": {"question": " " * 10**6 + "<image>"},
    }
    values |= {"question-long": {"question": "x" * 10**6}, "question-marks": {"question": "<image 1>" * 10**4}}
    values |= {"image-numbers": {"image_" + "9" * 5000: "a.png"}, "image-many": {"images": ["a.png"] * 2000}}
    found = {f"{name}.jsonl": json.dumps({**ROW, **value}).encode() for name, value in values.items()}
    plain = '{"image": "a.png", "question": "q", "answer": %s}'
    numbers = {"nan": "NaN", "inf": "Infinity", "1e999": "1e999", "digits": "9" * 5000, "surrogate": '"\\ud800"'}
    found |= {f"number-{name}.jsonl": (plain % value).encode() for name, value in numbers.items()}
    return found


def _raw() -> dict[str, bytes]:
    row = json.dumps(ROW).encode()
    found = {"deep.jsonl": b"[" * 100_000, "deeper.jsonl": b'{"a":' * 50_000}
    found |= {"deep.json": b"[" * 100_000, "deeper.json": b'{"a":' * 50_000, "number.json": b"5", "null.json": b"null"}
    found |= {"many.json": b"[" + b"{}," * 10**5 + b"{}]", "digits.json": b"[" + b"9" * 5000 + b"]"}
    found |= {"number.jsonl": b"5", "cut.jsonl": row[:-9]}
    common = {"utf16": row.decode().encode("utf-16"), "latin": b'{"image": "\xe9"}'}
    common |= {"zeros": b"\0" * 1000, "empty": b""}
    common |= {"ends": b"\n\n\n", "packed": b"\x1f\x8b\x08" + b"x" * 50}
    for suffix in ("jsonl", "json", "csv", "tsv", "parquet"):
        found |= {f"{name}.{suffix}": content for name, content in common.items()}
    head = b"image,question,answer\n"
    found |= {"quote.csv": head + b'"a.png,q,x\n', "cells.csv": head + b"a.png,q\n", "nul.csv": head + b"a.png,q\0,x\n"}
    found |= {"same.csv": b"image,question,answer,answer\na.png,q,x,y\n", "columns.csv": b"c," * 20_000 + b"\n"}
    found |= {"cell.csv": head + b"a.png," + b"q" * 3_000_000 + b",x\n", "returns.csv": head + b"a.png,q,x\r\r"}
    found |= {"index.csv": b"index,image,question,answer\n" + b"9" * 5000 + b",a.png,q,x\n"}
    return found


def _tables(png: bytes) -> dict[str, pa.Table]:
    def table(**columns: Any) -> pa.Table:
        return pa.table({"image": ["a.png"], "question": ["q"], "answer": ["x"]} | columns)

    far = pa.array([2**62], pa.timestamp("ms"))
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")]
    )
    names = ["image", "question", "answer", "answer"]
    return {
        "far-unread": table(when=far),
        "far-answer": table(answer=far),
        "far-zone": table(when=pa.array([1], pa.timestamp("s", "Nowhere/Bad"))),
        "far-date": table(answer=pa.array([2**31 - 1], pa.int32()).cast(pa.date32())),
        "duration-unread": table(when=pa.array([2**62], pa.duration("s"))),
        "duration-answer": table(answer=pa.array([2**62], pa.duration("s"))),
        "decimal": table(answer=pa.array([1], pa.decimal128(5, 2))),
        "dictionary": table(question=pa.array(["q"]).dictionary_encode()),
        "picture": table(image=[{"bytes": png, "path": None}]),
        "bytes": table(question=[b"\xff"]),
        "nan": table(answer=[float("nan")]),
        "eps": table(image=[POSTSCRIPT]),
        "no-utf8": table(question=broken),
        "no-column": pa.table({"x": [1]}),
        "no-row": pa.table({name: pa.array([], pa.string()) for name in names[:3]}),
        "same-columns": pa.table([pa.array([value]) for value in ("a.png", "q", "x", "y")], names=names),
    }
