"""Records of all questions of a run, kept or not: one Parquet file per step that asks, in the folder `asked`.

The records are for users and the report: each has the votes, the gate that rejected the question, and the Questioner's
reward. The run itself does not read them. A step that is repeated after an interruption overwrites its file. The
questions that are trained on are in `silver_file.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from visplay.labeling.synthesis import Synthesis
from visplay.roles.questioner import Asked, RewardBreakdown
from visplay.runs.schemas import ASKED
from visplay.types import Candidate, Question, StepId, Vote

INVALID = "invalid"
UNLABELLED = "unlabelled"
"""Values of the column `gate` for a completion without a question, and for a question without an answer."""


def write_record(folder: Path, step: StepId, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the records of a step; an existing file of the step is replaced atomically."""
    path = folder / "asked" / f"{step.iteration}-{step.phase}-{step.step}.parquet"
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + ".part")
    complete = [{**step._asdict(), **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(complete, schema=ASKED), part, compression="zstd")
    part.replace(path)


def synthesis_rows(synthesis: Synthesis) -> Iterator[dict[str, Any]]:
    """A row per candidate of a synthesis."""
    kept = {item.question.id for item in synthesis.items}
    for candidate in synthesis.candidates:
        yield _labelled(candidate, candidate.question.id in kept, synthesis.dropped)


def step_rows(
    asked: Sequence[Asked],
    candidates: Sequence[Candidate],
    dropped: Mapping[str, tuple[str, str]],
    rewards: Mapping[str, RewardBreakdown],
) -> Iterator[dict[str, Any]]:
    """A row per completion of a step of the Questioner, with its reward.

    Args:
        candidates: the step's questions with their votes.
        dropped: gate and reason of rejected questions, by question id.
        rewards: the result of `Questioner.rewards`.
    """
    by_id = {candidate.question.id: candidate for candidate in candidates}
    for entry in asked:
        breakdown = rewards[entry.key]
        earned = {
            "reward": breakdown.total,
            "base_reward": breakdown.base,
            "diversity_penalty": breakdown.diversity_penalty,
            "history_penalty": breakdown.history_penalty,
        }
        if entry.question is None:
            reason = "not in the agreed form" if entry.completion.finished else "too long: it was cut off"
            yield {
                "id": entry.key,
                "image": entry.request.image.id,
                "question": entry.completion.text,
                "confidence": 0.0,
                "kept": False,
                "gate": INVALID,
                "reason": reason,
                **earned,
            }
        else:
            candidate = by_id[entry.question.id]
            passed = candidate.result.answer is not None and entry.question.id not in dropped
            yield {**_labelled(candidate, passed, dropped), **earned}


def _labelled(candidate: Candidate, kept: bool, dropped: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    question, votes, result = candidate.question, candidate.votes, candidate.result
    gate, reason = (None, "") if kept else dropped.get(question.id, (UNLABELLED, _no_answer(votes)))
    return {
        **_question(question),
        "answer": result.answer,
        "confidence": result.confidence,
        "kept": kept,
        "gate": gate,
        "reason": reason,
        "votes": [vote.answer for vote in votes],
        "augmentations": [vote.augmentation for vote in votes],
        "reasoning": [vote.text for vote in votes],
        "logprobs": [vote.logprob for vote in votes],
    }


def _question(question: Question) -> dict[str, Any]:
    return {"id": question.id, "image": question.image.id, "type": question.type, "question": question.text}


def _no_answer(votes: Sequence[Vote]) -> str:
    if any(vote.answer is not None for vote in votes):
        return "the votes are at odds with what else was asked about the image"
    return "no vote was boxed"
