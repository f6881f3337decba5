"""The rows of a labelled file, whatever its format: JSON Lines, CSV, TSV, Parquet, or a saved Hugging Face dataset.

A row is a mapping from column to value, or the reason why it is none. Nothing is said here of what columns mean.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from visplay.errors import EvaluationError

_BATCH = 256


class RowError(ValueError):
    """Why a row cannot be used."""


Row = tuple[str, dict[str, Any] | RowError]
"""Where it stands, such as "line 3", and what it holds."""


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file by its suffix, or of a folder that `Dataset.save_to_disk` wrote.

    Raises:
        EvaluationError: it cannot be read, or is of no known format.
    """
    if path.is_dir():
        read: Callable[[Path], Iterator[Row]] = _saved
    elif path.suffix.lower() in _READERS:
        read = _READERS[path.suffix.lower()]
    else:
        raise EvaluationError(
            f"cannot read {path}: its name ends in none of {', '.join(_READERS)}, nor is it a saved dataset"
        )
    try:
        yield from read(path)
    except (OSError, pa.ArrowException, csv.Error, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise EvaluationError(f"cannot read {path}: {reason}") from None


def _json_lines(path: Path) -> Iterator[Row]:
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"line {number}", _json_object(line)


def _json_object(line: bytes) -> dict[str, Any] | RowError:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return RowError("not UTF-8 text")
    except (ValueError, RecursionError) as error:
        return RowError(f"not valid JSON ({' '.join(str(error).split())})")
    return row if isinstance(row, dict) else RowError("not a JSON object")


def _separated(delimiter: str) -> Callable[[Path], Iterator[Row]]:
    def read(path: Path) -> Iterator[Row]:
        csv.field_size_limit(sys.maxsize)  # an image may be a cell
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    yield f"row {number}", RowError(f"not {len(reader.fieldnames or ())} cells, as the first line has")
                else:
                    yield f"row {number}", {name: cell for name, cell in row.items() if cell.strip()}

    return read


def _parquet(path: Path) -> Iterator[Row]:
    number = 0
    for batch in pq.ParquetFile(path).iter_batches(_BATCH):
        for row in batch.to_pylist():
            number += 1
            yield f"row {number}", {name: value for name, value in row.items() if value is not None}


def _saved(path: Path) -> Iterator[Row]:
    from datasets import Dataset, load_from_disk

    try:
        data = load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise EvaluationError(f"cannot read {path} as a saved dataset: {' '.join(str(error).split())}") from None
    if not isinstance(data, Dataset):
        raise EvaluationError(f"{path} holds splits; name the folder of one of them: {', '.join(data)}")
    # As Arrow has them: images stay bytes until they are looked at.
    for number, row in enumerate(data.with_format("arrow").iter(1), start=1):
        (values,) = row.to_pylist()
        yield f"row {number}", {name: value for name, value in values.items() if value is not None}


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".parquet": _parquet,
}
