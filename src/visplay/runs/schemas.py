"""Columns of the Parquet files in a run directory."""

from __future__ import annotations

import pyarrow as pa

SILVER = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.string()),
        ("question", pa.string()),
        ("type", pa.string()),
        ("votes", pa.list_(pa.string())),
        ("augmentations", pa.list_(pa.string())),
        ("reasoning", pa.list_(pa.string())),
        ("logprobs", pa.list_(pa.float64())),
        ("confidence", pa.float64()),
        ("silver_answer", pa.string()),
        ("iteration", pa.int32()),
    ]
)
"""`silver/iteration-T.parquet` and `silver.parquet`: a row per question that is trained on."""

ASKED = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.string()),
        ("iteration", pa.int32()),
        ("phase", pa.string()),
        ("step", pa.int32()),
        ("type", pa.string()),  # null: no question in the required format; `question` is the whole completion
        ("question", pa.string()),
        ("answer", pa.string()),
        ("confidence", pa.float64()),
        ("kept", pa.bool_()),
        ("gate", pa.string()),
        ("reason", pa.string()),
        ("votes", pa.list_(pa.string())),
        ("augmentations", pa.list_(pa.string())),
        ("reasoning", pa.list_(pa.string())),
        ("logprobs", pa.list_(pa.float64())),
        ("reward", pa.float64()),
        ("base_reward", pa.float64()),
        ("diversity_penalty", pa.float64()),
        ("history_penalty", pa.float64()),
    ]
)
"""`asked/T-PHASE-STEP.parquet`: a row per completion of the Questioner, kept or not."""
