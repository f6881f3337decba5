"""The silver set: candidate questions, their votes, the band, and the file they are kept in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visplay.answers import is_refusal
from visplay.config import SilverSettings
from visplay.records import Picture, Question, SilverItem, Tally, Vote
from visplay.rewards import in_band
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner, tally

HISTOGRAM_BINS = 10
_CHUNK = 512  # pictures put to the engine at once: bounds the memory of texts in flight

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.string()),
        ("question", pa.string()),
        ("type", pa.string()),
        ("votes", pa.list_(pa.string())),
        ("views", pa.list_(pa.string())),
        ("reasoning", pa.list_(pa.string())),
        ("confidence", pa.float64()),
        ("silver_answer", pa.string()),
        ("iteration", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid, distinct question with its votes and their tally."""

    question: Question
    votes: tuple[Vote, ...]
    tally: Tally


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Everything one synthesis asked, and what of it the band kept.

    `asked` counts completions of the Questioner, `candidates` the valid ones that are not
    the same words about the same picture again.
    """

    asked: int
    valid: int
    candidates: tuple[Candidate, ...]
    items: tuple[SilverItem, ...]

    def statistics(self) -> dict[str, object]:
        """Counts, shares and the confidence histogram, for the metrics."""
        confidences = [c.tally.confidence for c in self.candidates]
        bins = Counter(min(int(c * HISTOGRAM_BINS), HISTOGRAM_BINS - 1) for c in confidences)
        types = Counter(c.question.type for c in self.candidates)
        votes = sum(c.tally.votes for c in self.candidates)
        return {
            "asked": self.asked,
            "valid": self.valid,
            "candidates": len(self.candidates),
            "refused": sum(c.tally.answer is not None and is_refusal(c.tally.answer) for c in self.candidates),
            "kept": len(self.items),
            "distinct_texts": len({c.question.text for c in self.candidates}),
            "mean_confidence": sum(confidences) / len(confidences) if confidences else None,
            "unboxed_share": sum(c.tally.unboxed for c in self.candidates) / votes if votes else None,
            "confidence_histogram": [bins[i] for i in range(HISTOGRAM_BINS)],
            "types": {name: types[name] for name in sorted(types)},
        }


def synthesize(
    questioner: Questioner, reasoner: Reasoner, pictures: Sequence[Picture], settings: SilverSettings, tag: str
) -> Synthesis:
    """N questions a picture, m votes a question, majority, band (ALGORITHM section 1, step 2)."""
    asked = valid = 0
    candidates: list[Candidate] = []
    for start in range(0, len(pictures), _CHUNK):
        batch = questioner.ask(pictures[start : start + _CHUNK], settings.questions_per_image, tag)
        asked += len(batch)
        written = [one.question for one in batch if one.question is not None]
        valid += len(written)
        questions = _distinct(written)
        votes = reasoner.votes(questions, settings.votes, settings.views)
        candidates += [Candidate(q, votes[q.id], tally(q, votes[q.id])) for q in questions]
    items = tuple(
        SilverItem(c.question, c.tally.answer, c.tally.confidence, c.votes)
        for c in candidates
        if c.tally.answer is not None
        and in_band(c.tally.confidence, settings.band_low, settings.band_high)
        and (settings.refusals or not is_refusal(c.tally.answer))
    )
    return Synthesis(asked, valid, tuple(candidates), items)


def silver_file(run: Path, iteration: int) -> Path:
    """Where an iteration's silver set lies in a run directory."""
    return run / "silver" / f"iteration-{iteration}.parquet"


def write_silver(path: Path, items: Iterable[SilverItem], iteration: int) -> None:
    """One Parquet row an item; `datasets.load_dataset("parquet", data_files=...)` opens it."""
    rows = [
        {
            "id": item.question.id,
            "image": item.question.picture.id,
            "question": item.question.text,
            "type": item.question.type,
            "votes": [v.answer for v in item.votes],
            "views": [v.view for v in item.votes],
            "reasoning": [v.text for v in item.votes],
            "confidence": item.confidence,
            "silver_answer": item.answer,
            "iteration": iteration,
        }
        for item in items
    ]
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + ".part")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), part)
    part.replace(path)


def read_silver(path: Path, pictures: Mapping[str, Picture]) -> tuple[SilverItem, ...]:
    """The items of a file that `write_silver` wrote.

    Args:
        pictures: the run's pictures by id.
    """
    return tuple(
        SilverItem(
            Question(row["id"], pictures[row["image"]], row["type"], row["question"]),
            row["silver_answer"],
            row["confidence"],
            tuple(
                Vote(row["id"], index, answer, text, view)
                for index, (answer, text, view) in enumerate(
                    zip(row["votes"], row["reasoning"], row["views"], strict=True)
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


def _distinct(questions: Iterable[Question]) -> list[Question]:
    seen: dict[tuple[str, str], Question] = {}
    for question in questions:
        seen.setdefault((question.picture.id, question.text.lower()), question)
    return list(seen.values())
