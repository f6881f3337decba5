"""Parquet files of a run, written and read whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visplay.errors import RunError, one_line
from visplay.runs.files import make_folder, replaced_file


def write_table(path: Path, table: pa.Table) -> None:
    """Replace the file by a table; its folder is made."""
    make_folder(path.parent)
    with replaced_file(path) as draft:
        pq.write_table(table, draft, compression="zstd")


def read_table(path: Path) -> pa.Table:
    """The table of a file; RunError if it is missing or damaged."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"cannot read {path}: {one_line(error)}; put it back from a copy, or start a new run") from None
