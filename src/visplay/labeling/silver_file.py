"""The silver set on disk: one Parquet file an iteration, one for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visplay.runs.schemas import SILVER
from visplay.types import ImageRef, Question, SilverItem, Vote


def silver_file(run: Path, iteration: int) -> Path:
    """Where an iteration's silver set lies in a run directory."""
    return run / "silver" / f"iteration-{iteration}.parquet"


def write_silver(path: Path, items: Iterable[SilverItem], iteration: int) -> None:
    """One Parquet row an item; `datasets.load_dataset("parquet", data_files=...)` opens it."""
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
    """The items of a file that `write_silver` wrote.

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
    """All iterations' rows in one file, in order."""
    joined = path.with_name(path.name + ".part")
    pq.write_table(pa.concat_tables([pq.read_table(part) for part in parts]), joined)
    joined.replace(path)
