"""All that a run asked, kept or not: a Parquet file for each step that asks, in a folder `asked`.

The silver set (`file.py`) holds what is learned from; this is for people who want to see what else was asked, what
was answered to it, which gate dropped it and what the Questioner was paid for it. Nothing of a run reads it. A step
that is done again after an interruption writes its own file anew.
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
"""What stands for a gate where there was no question, or no answer that a gate could have judged."""


def record_files(folder: Path) -> list[Path]:
    """Those written so far into a folder, in any order."""
    return list((folder / "asked").glob("*.parquet"))


def write_record(folder: Path, place: StepId, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write what one step asked; a file of the same step is replaced as a whole."""
    path = folder / "asked" / f"{place.iteration}-{place.phase}-{place.step}.parquet"
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + ".part")
    placed = [{**place._asdict(), **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(placed, schema=ASKED), part, compression="zstd")
    part.replace(path)


def synthesis_rows(synthesis: Synthesis) -> Iterator[dict[str, Any]]:
    """Every candidate of a synthesis."""
    kept = {item.question.id for item in synthesis.items}
    for candidate in synthesis.candidates:
        yield _labelled(candidate, candidate.question.id in kept, synthesis.dropped)


def step_rows(
    asked: Sequence[Asked],
    candidates: Sequence[Candidate],
    dropped: Mapping[str, tuple[str, str]],
    rewards: Mapping[str, RewardBreakdown],
) -> Iterator[dict[str, Any]]:
    """Every completion of a step of the Questioner, with what it earned.

    Args:
        candidates, dropped: its questions with their votes, and the gate and reason by question id.
        rewards: by completion, as `Questioner.rewards` gives them.
    """
    by_id = {candidate.question.id: candidate for candidate in candidates}
    for one in asked:
        breakdown = rewards[one.key]
        earned = {
            "reward": breakdown.total,
            "base_reward": breakdown.base,
            "diversity_penalty": breakdown.diversity_penalty,
            "history_penalty": breakdown.history_penalty,
        }
        if one.question is None:
            reason = "not in the agreed form" if one.completion.finished else "too long: it was cut off"
            yield {
                "id": one.key,
                "image": one.request.image.id,
                "question": one.completion.text,
                "confidence": 0.0,
                "kept": False,
                "gate": INVALID,
                "reason": reason,
                **earned,
            }
        else:
            candidate = by_id[one.question.id]
            passed = candidate.result.answer is not None and one.question.id not in dropped
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
