"""Columns of the Parquet files in a run directory."""

from __future__ import annotations

import pyarrow as pa

INVALID, REPEATED = "invalid", "repeated"  # in the column `gate`: no question, and one that came before


def _columns(kind: pa.DataType, *names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names]


_VOTES = [
    *_columns(pa.list_(pa.string()), "votes", "augmentations", "reasoning"),
    ("logprobs", pa.list_(pa.float64())),
]

SILVER = pa.schema(
    [
        *_columns(pa.string(), "id", "image", "question", "type"),
        *_VOTES,
        ("confidence", pa.float64()),
        ("silver_answer", pa.string()),
        ("iteration", pa.int32()),
        *_columns(pa.string(), "source", "skill"),  # "questioner" or the name of a task source; as the source says
    ]
)
"""`silver/iteration-T.parquet` and `silver.parquet`: a row per question that is trained on."""

ASKED = pa.schema(
    [
        *_columns(pa.string(), "id", "image"),
        ("iteration", pa.int32()),
        ("phase", pa.string()),
        ("step", pa.int32()),
        ("type", pa.string()),  # null: no question in the required format; `question` is the whole completion
        *_columns(pa.string(), "question", "answer"),
        ("confidence", pa.float64()),
        ("kept", pa.bool_()),
        *_columns(pa.string(), "gate", "reason"),
        *_VOTES,
        ("rewards", pa.list_(pa.float64())),  # of the Reasoner's answers, which are in the columns of the votes
        *_columns(pa.list_(pa.string()), "evidence", "findings"),
        *_columns(pa.float64(), "reward", "base_reward", "diversity_penalty", "history_penalty"),
        *_columns(pa.string(), "source", "skill"),  # as in the silver set
    ]
)
"""`asked/T-PHASE-STEP.parquet`: a row per completion of the Questioner, kept or not, or per group of the Reasoner."""
