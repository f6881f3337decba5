"""Parquet files of the silver set: one per iteration, and one with all iterations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visplay.runs.schemas import SILVER
from visplay.types import ImageRef, Question, SilverItem, Vote


def silver_file(run: Path, iteration: int) -> Path:
    """The path of an iteration's silver set in a run directory."""
    return run / "silver" / f"iteration-{iteration}.parquet"


def write_silver(path: Path, items: Iterable[SilverItem], iteration: int) -> None:
    """Write one Parquet row per item; `datasets.load_dataset("parquet", data_files=...)` can read the file."""
    rows = [
        {
            "id": item.question.id,
            "image": item.question.image.id,
            "question": item.question.text,
            "type": item.question.type,
            "votes": [v.answer for v in item.votes],
            "augmentations": [v.augmentation for v in item.votes],
            "reasoning": [v.text for v in item.votes],
            "logprobs": [v.logprob for v in item.votes],
            "confidence": item.confidence,
            "silver_answer": item.answer,
            "iteration": iteration,
        }
        for item in items
    ]
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + ".part")
    pq.write_table(pa.Table.from_pylist(rows, schema=SILVER), part)
    part.replace(path)


def read_silver(path: Path, images: Mapping[str, ImageRef]) -> tuple[SilverItem, ...]:
    """The items of a file of `write_silver`.

    Args:
        images: the run's images by id.
    """
    return tuple(
        SilverItem(
            Question(row["id"], images[row["image"]], row["type"], row["question"]),
            row["silver_answer"],
            row["confidence"],
            tuple(
                Vote(row["id"], index, answer, text, augmentation, logprob)
                for index, (answer, text, augmentation, logprob) in enumerate(
                    zip(row["votes"], row["reasoning"], row["augmentations"], row["logprobs"], strict=True)
                )
            ),
        )
        for row in pq.read_table(path).to_pylist()
    )


def join_silver(parts: Sequence[Path], path: Path) -> None:
    """Write the rows of all files into one file, in order."""
    joined = path.with_name(path.name + ".part")
    pq.write_table(pa.concat_tables([pq.read_table(part) for part in parts]), joined)
    joined.replace(path)
