"""Parquet files of the questions of a run.

`silver/iteration-T.parquet` has the questions that are trained on. `asked/T-PHASE-STEP.parquet` has all questions of a
step, kept or not, with their votes, what a labeler read beside them, the gate that rejected them, and the Questioner's
reward; of a step of the Reasoner, the answers to a few questions. It is for users and the report; the run itself does
not read it. A step that is repeated after an interruption overwrites its file. Long texts of outputs are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa

from visplay.answers import extract_boxed
from visplay.data.made_images import image_by_id
from visplay.errors import RunError
from visplay.labeling.synthesis import Synthesis
from visplay.roles.questioner import Asked, RewardBreakdown
from visplay.runs.parquet import read_table, write_table
from visplay.runs.schemas import ASKED, INVALID, REPEATED, SILVER
from visplay.types import Candidate, Group, ImageRef, Question, SilverItem, StepId, Vote

GROUPS = 8  # of a step of the Reasoner whose answers are recorded
LONGEST, SHORTEST = 4000, 400  # characters of an output that a record keeps: as many as a file has room for
ROOM = 32 * 2**20  # characters of all outputs of a file

_LIKE_ANOTHER = "the same question about the image came before"


def silver_file(run: Path, iteration: int) -> Path:
    """The path of an iteration's silver set in a run directory."""
    return run / "silver" / f"iteration-{iteration}.parquet"


def write_silver(path: Path, items: Iterable[SilverItem], iteration: int) -> None:
    """Write one Parquet row per item; `datasets.load_dataset("parquet", data_files=...)` can read the file."""
    rows = [
        _question_and_votes(item.question, item.votes)
        | {"confidence": item.confidence, "silver_answer": item.answer, "iteration": iteration}
        for item in items
    ]
    write_table(path, pa.Table.from_pylist(rows, schema=SILVER))


def read_silver(path: Path, images: Mapping[str, ImageRef]) -> tuple[SilverItem, ...]:
    """The items of a file of `write_silver`, RunError if it is damaged; `images` are the run's images by id.

    Made images are made again of these images when they are loaded. Earlier code wrote no `source` and no `skill`.
    """
    items = []
    try:
        for row in read_table(path).to_pylist():
            columns = zip(row["votes"], row["reasoning"], row["augmentations"], row["logprobs"], strict=True)
            votes = tuple(Vote(row["id"], index, *values) for index, values in enumerate(columns))
            image, source = image_by_id(row["image"], images), row.get("source") or "questioner"
            question = Question(row["id"], image, row["type"], row["question"], source, row.get("skill") or "")
            items.append(SilverItem(question, row["silver_answer"], row["confidence"], votes))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is no silver set of these images ({error}); put it back from a copy") from None
    return tuple(items)


def join_silver(parts: Sequence[Path], path: Path) -> None:
    """Write the rows of all files into one file, in order."""
    write_table(path, pa.concat_tables([read_table(part) for part in parts], promote_options="default"))


def write_record(folder: Path, step: StepId, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the questions of a step; an existing file of the step is replaced atomically."""
    complete = [{**step._asdict(), **row} for row in rows]
    outputs = sum(len(row.get(name) or ()) for row in complete for name in ("reasoning", "evidence")) + len(complete)
    most = min(LONGEST, max(SHORTEST, ROOM // max(1, outputs)))
    for row in complete:
        row["question"] = shortened(row["question"], most) if row.get("gate") == INVALID else row["question"]
        row |= {name: [shortened(text, most) for text in row.get(name) or ()] for name in ("reasoning", "evidence")}
    name = f"{step.iteration}-{step.phase}-{step.step}.parquet"
    write_table(folder / "asked" / name, pa.Table.from_pylist(complete, schema=ASKED))


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and end, about `most` characters, and how many are left out between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"


def synthesis_rows(synthesis: Synthesis) -> Iterator[dict[str, Any]]:
    """A row per completion of a synthesis: the candidates, then what is none."""
    for candidate in synthesis.candidates:
        yield _labelled(candidate, synthesis.dropped)
    for entry in synthesis.left_out:
        yield _left_out(entry)


def answer_rows(groups: Sequence[Group], items: Mapping[str, SilverItem]) -> Iterator[dict[str, Any]]:
    """A row per group of the Reasoner's answers, `GROUPS` at the most; `items` are the questions by request id."""
    for group in groups[:GROUPS]:
        item, completions = items[group.request.id], group.completions
        augmentation = getattr(group.request.image, "augmentation", "plain")
        question = item.question
        yield {
            **{"id": group.request.id, "image": question.image.id, "type": question.type, "question": question.text},
            **{"answer": item.answer, "confidence": item.confidence},
            "votes": [extract_boxed(completion.text) for completion in completions],
            "augmentations": [augmentation] * len(completions),
            "reasoning": [completion.text for completion in completions],
            "logprobs": [fmean(completion.logprobs or (0.0,)) for completion in completions],
            "rewards": list(group.rewards),
            "reward": fmean(group.rewards),
            "source": question.source,
            "skill": question.skill,
        }


def step_rows(
    asked: Sequence[Asked],
    candidates: Sequence[Candidate],
    dropped: Mapping[str, tuple[str, str]],
    rewards: Mapping[str, RewardBreakdown],
) -> Iterator[dict[str, Any]]:
    """A row per completion of a step of the Questioner; `dropped` are gate and reason of rejected questions by id."""
    by_id = {candidate.question.id: candidate for candidate in candidates}
    for entry in asked:
        row = _left_out(entry) if entry.question is None else _labelled(by_id[entry.key], dropped)
        yield row | asdict(rewards[entry.key])


def _left_out(entry: Asked) -> dict[str, Any]:
    """A completion that is no candidate: it has no question in the agreed form, or one that came before."""
    reason = "not in the agreed form" if entry.completion.finished else "too long: it was cut off"
    gate, reason = (INVALID, reason) if entry.question is None else (REPEATED, _LIKE_ANOTHER)
    row = {"id": entry.key, "image": entry.request.image.id, "question": entry.text, "confidence": 0.0}
    row["source"] = "questioner"
    kind = entry.question.type if entry.question else None
    return row | {"type": kind, "kept": False, "gate": gate, "reason": reason}


def _labelled(candidate: Candidate, dropped: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    question, votes, answer = candidate.question, candidate.votes, candidate.result.answer
    gate, reason = dropped.get(question.id, (None, ""))
    if answer is None:
        voted = any(vote.answer is not None for vote in votes)
        at_odds = "the votes are at odds with what else was asked about the image"
        if candidate.evidence and not any(evidence.finding for evidence in candidate.evidence):
            at_odds = "no answer follows from what else was asked about the image"
        unvoted = "no vote was boxed" if votes else "the labeler knows no answer"
        gate, reason = "unlabelled", at_odds if voted else unvoted
    row = _question_and_votes(question, votes) | {"answer": answer, "confidence": candidate.result.confidence}
    row |= {
        "evidence": [evidence.text for evidence in candidate.evidence],
        "findings": [evidence.finding for evidence in candidate.evidence],
    }
    return row | {"kept": gate is None, "gate": gate, "reason": reason}


def _question_and_votes(question: Question, votes: Sequence[Vote]) -> dict[str, Any]:
    return {
        "id": question.id,
        "image": question.image.id,
        "type": question.type,
        "question": question.text,
        "source": question.source,
        "skill": question.skill,
        "votes": [vote.answer for vote in votes],
        "augmentations": [vote.augmentation for vote in votes],
        "reasoning": [vote.text for vote in votes],
        "logprobs": [vote.logprob for vote in votes],
    }
