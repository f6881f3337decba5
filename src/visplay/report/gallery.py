"""Every question of a run with its votes, reward and verdict: found, filtered, sorted, one by one.

    gallery = Gallery(run)
    page = gallery.find(Filter(iteration=2, kept=False, text="how many"), order="confidence", start=0, count=50)
    item = gallery.item(page.rows[0].id)
    story = gallery.story(item.image)

A run records all that it asks; see `labeling/asked_records.py`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from visplay.answers import match, vote
from visplay.config import Settings, load_settings
from visplay.errors import ImageError
from visplay.runs.schemas import ASKED
from visplay.runs.state import read_json
from visplay.selfplay.schedule import phase_order
from visplay.types import ImageRef

Order = Literal["time", "-time", "confidence", "-confidence", "reward", "-reward", "text"]

_FOLDERS = ("asked", "acceptance/asked")
_SORTED_BY = {"confidence": "confidence", "reward": "reward", "text": "question"}


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None and empty texts ask for nothing.

    Attributes:
        phase: "questioner", "silver", or "accept" (questions about the images held out to judge by; iteration 0 asks
            as the base does).
        least, most: confidence, both ends included.
        gate: what dropped it: a gate's name, "unlabelled" (no silver answer) or "invalid" (not in the agreed form).
        text: part of the question, of its silver answer or of a vote's text, in any case.
        image: the image's id, whole.
    """

    iteration: int | None = None
    phase: str | None = None
    type: str | None = None
    least: float = 0.0
    most: float = 1.0
    kept: bool | None = None
    gate: str | None = None
    text: str = ""
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A question in a list.

    Attributes:
        id: unique in the run.
        type: empty for what is not in the agreed form; `question` is then the text as it was written.
        answer: silver answer, None where there is none.
        kept: in the silver set; in the phases "questioner" and "accept": passed every gate.
        gate: what dropped it, as in `Filter`; None for what was kept.
        reward: of the phase "questioner" alone, else None.
    """

    id: str
    iteration: int
    phase: str
    step: int
    image: str
    type: str
    question: str
    answer: str | None
    confidence: float
    kept: bool
    gate: str | None
    reward: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list: `rows` from `start` on, of `total` that match."""

    rows: tuple[Row, ...]
    start: int
    total: int


@dataclass(frozen=True, slots=True)
class ShownVote:
    """One answer of the Reasoner: what was boxed (None: nothing), how it came to it, and how it saw the image.

    `logprob` is the mean natural-log probability of a token. `agrees`: it counts for the majority.
    """

    answer: str | None
    text: str
    augmentation: str
    logprob: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class RewardParts:
    """Of what a Questioner's reward is made.

    Attributes:
        base: what the question would earn if nothing else resembled it: its difficulty, 0 behind a gate.
        diversity_penalty: what it pays for the questions of its group that resemble it (λ · share).
        history_penalty: what it pays for having been asked in earlier steps.
        reward: what it earned.
        rule: `questioner.reward` of the run's settings: "paper", "official", "chance_corrected", "format", "random".
    """

    base: float
    diversity_penalty: float
    history_penalty: float
    reward: float
    rule: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One question in full.

    Attributes:
        majority, majority_share: of the votes alone; `answer` and `confidence` are what the labeler made of them.
        reason: why the gate dropped it, empty for what was kept.
        parts: None in other phases than "questioner".
    """

    row: Row
    votes: tuple[ShownVote, ...]
    majority: str | None
    majority_share: float
    unboxed: int
    reason: str
    parts: RewardParts | None


@dataclass(frozen=True, slots=True)
class Then:
    """What was asked about one image in one iteration, in the order in which it was asked."""

    iteration: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class HeldOutAnswer:
    """What the Reasoner of an iteration answers to a frozen question; iteration 0 is the base."""

    iteration: int
    answer: str | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Anchored:
    """A question that acceptance froze, and what is answered to it through the iterations."""

    question: str
    held_out_answers: tuple[HeldOutAnswer, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """One image through the iterations: what it asked then, what it asks now.

    Images held out to judge by are asked about in every iteration; of others an iteration draws new ones.
    """

    image: str
    iterations: tuple[Then, ...]
    anchored: tuple[Anchored, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be filtered by, with the number of questions behind each; all phases together."""

    iterations: Mapping[int, int]
    phases: Mapping[str, int]
    types: Mapping[str, int]
    gates: Mapping[str, int]
    kept: int
    total: int


class Gallery:
    """An index over all questions of a run; looked at again and again, it reads what is new. One for each thread."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._rule = load_settings(str(run / "config.yaml")).questioner.reward.name
        self._stamp: object = None
        self._files: dict[Path, tuple[object, pa.Table]] = {}
        self._table = _indexed([])

    def choices(self) -> Choices:
        """What there is to filter by."""
        table = self._fresh()
        return Choices(
            dict(sorted(_counts(table["iteration"]).items())),
            _counts(table["phase"]),
            dict(sorted(_counts(table["type"]).items())),
            _counts(table["gate"]),
            pc.sum(table["kept"]).as_py() or 0,
            table.num_rows,
        )

    def find(self, wanted: Filter, order: Order = "-time", start: int = 0, count: int = 50) -> Found:
        """Questions that match; "-time" has the latest first."""
        table = self._fresh()
        places = pc.indices_nonzero(_matching(table, wanted))
        key, direction = order.removeprefix("-"), "descending" if order.startswith("-") else "ascending"
        if order == "-time":
            places = places[::-1]
        elif order != "time":
            column = table[_SORTED_BY[key]].take(places)
            places = places.take(pc.sort_indices(column, sort_keys=[("", direction)]))
        return Found(_rows(table.take(places[start : start + count])), start, len(places))

    def item(self, question_id: str) -> Shown | None:
        """One in full; None if there is no such question."""
        table = self._fresh()
        place = pc.index(table["id"], question_id).as_py()
        if place < 0:
            return None
        (values,) = (one := table.slice(place, 1)).to_pylist()
        majority, share, unboxed = vote(values["votes"] or [])
        votes = zip(*(values[name] or [] for name in ("votes", "reasoning", "augmentations", "logprobs")), strict=True)
        return Shown(
            _rows(one)[0],
            tuple(
                ShownVote(answer, text, augmentation, logprob, _agrees(answer, majority))
                for answer, text, augmentation, logprob in votes
            ),
            majority,
            share,
            unboxed,
            values["reason"] or "",
            None if values["reward"] is None else _parts(values, self._rule),
        )

    def story(self, image: str) -> Story:
        """One image through the iterations; without rows if nothing was asked about it."""
        table = self._fresh()
        rows = _rows(table.filter(pc.equal(table["image"], image)))
        iterations = sorted({row.iteration for row in rows})
        then = tuple(Then(t, tuple(row for row in rows if row.iteration == t)) for t in iterations)
        return Story(image, then, tuple(self._anchored(image)))

    def storied(self, count: int = 50) -> tuple[str, ...]:
        """Ids of images that can be followed: those asked about in most iterations first, else those whose questions
        acceptance froze."""
        table = self._fresh()
        grouped = table.group_by("image").aggregate([("iteration", "count_distinct")])
        order = [("iteration_count_distinct", "descending"), ("image", "ascending")]
        found = grouped.filter(pc.greater(grouped["iteration_count_distinct"], 1)).sort_by(order)["image"]
        if not len(found):
            found = pc.unique(table["image"].filter(_matching(table, Filter(phase="accept"))))
        return tuple(found[:count].to_pylist())

    def texts(self, iteration: int) -> tuple[str, ...]:
        """The questions of an iteration's synthesis, for `health.signs`."""
        table = self._fresh()
        found = _matching(table, Filter(iteration=iteration, phase="silver"))
        return tuple(table["question"].filter(found).to_pylist())

    def _fresh(self) -> pa.Table:
        """The index, read anew where a file came or changed: every write into a folder changes the folder's time."""
        stamp = [_stamp(self._run / folder) for folder in _FOLDERS]
        if stamp != self._stamp:
            files = {path: (found, self._read(path, found)) for path, found in self._present().items()}
            self._files = {path: (found, table) for path, (found, table) in files.items() if table is not None}
            self._table = _indexed([table for _, table in self._files.values()])
            self._stamp = stamp
        return self._table

    def _read(self, path: Path, stamp: object) -> pa.Table | None:
        """A file's questions; None when it went away or is damaged: the others can still be looked at."""
        if self._files.get(path, (None, None))[0] == stamp:
            return self._files[path][1]
        try:
            return _with_unique_ids(pq.read_table(path))
        except (OSError, pa.ArrowInvalid):
            return None

    def _present(self) -> dict[Path, object]:
        """The files there are, by what changes with them."""
        recorded = (*self._run.glob("asked/*.parquet"), *self._run.glob("acceptance/asked/*.parquet"))
        stamps = {path: _stamp(path) for path in recorded}
        return {path: stamp for path, stamp in stamps.items() if stamp is not None}

    def _anchored(self, image: str) -> Iterator[Anchored]:
        """What is answered to the image's frozen questions; nothing where acceptance keeps none."""
        folder = self._run / "acceptance"
        try:
            anchor = pq.read_table(folder / "anchor.parquet", columns=["id", "image", "question"])
            held_out_answers = {
                int(file.stem.rpartition("-")[2]): read_json(file) for file in folder.glob("iteration-*.json")
            }
        except (OSError, ValueError, pa.ArrowInvalid):
            return
        for row in anchor.filter(pc.equal(anchor["image"], image)).to_pylist():
            given = ((t, held_out_answers[t].get(row["id"])) for t in sorted(held_out_answers))
            told = tuple(HeldOutAnswer(t, one["answer"], one["confidence"]) for t, one in given if one)
            yield Anchored(row["question"], told)


class ImageList:
    """The run's images, opened when the first is wanted.

    Args:
        settings: the run's, `load_settings(str(run / "config.yaml"))`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._images: dict[str, ImageRef] | None = None

    def thumbnail(self, image: str, side: int = 256) -> bytes | None:
        """PNG bytes, both sides at most `side` pixels (small images are enlarged by whole factors, unsmoothed).

        None for an id the source does not have, or when the source or file is gone.
        """
        try:
            return _png(self._by_id()[image].load(), side)
        except (KeyError, OSError, ImageError):
            return None

    def _by_id(self) -> dict[str, ImageRef]:
        if self._images is None:
            self._images = {image.id: image for image in self._settings.images.open(self._settings.seed).images}
        return self._images


def _png(image: Image.Image, side: int) -> bytes:
    factor = side // max(image.size)
    if factor > 1:
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((side, side))
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def _stamp(path: Path) -> object:
    """Changes with every write; None where nothing is."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _with_unique_ids(table: pa.Table) -> pa.Table:
    """A record with ids that are unique in the run."""
    # Acceptance asks about its images under the same ids in every iteration.
    numbered = pc.binary_join_element_wise(pc.cast(table["iteration"], pa.string()), table["id"], "/")
    ids = pc.if_else(pc.equal(table["phase"], "accept"), numbered, table["id"])
    return table.set_column(table.column_names.index("id"), "id", ids)


def _indexed(tables: Sequence[pa.Table]) -> pa.Table:
    """All questions in the order in which they were asked, with a column of everything that a text is looked for in."""
    ordered = sorted((table for table in tables if table.num_rows), key=_asked_when)
    table = pa.concat_tables([*ordered, ASKED.empty_table()])
    texts = pc.binary_join(table["reasoning"], "\n")
    joined = pc.binary_join_element_wise(
        table["question"], table["answer"], texts, "\n", null_handling="replace", null_replacement=""
    )
    return table.append_column("searched", pc.utf8_lower(joined)).combine_chunks()


def _asked_when(table: pa.Table) -> tuple[int, int, int]:
    first = table.slice(0, 1).to_pylist()[0]
    return first["iteration"], phase_order(first["phase"]), first["step"]


def _matching(table: pa.Table, wanted: Filter) -> pa.Array:
    """Which rows match, as truth values without nulls."""
    found = pa.chunked_array([pa.array([True] * table.num_rows, pa.bool_())])
    equal = {"iteration": wanted.iteration, "kept": wanted.kept}
    equal |= {name: getattr(wanted, name) or None for name in ("phase", "type", "gate", "image")}
    for name, value in equal.items():
        if value is not None:
            found = pc.and_(found, pc.equal(table[name], value))
    if wanted.least > 0:
        found = pc.and_(found, pc.greater_equal(table["confidence"], wanted.least))
    if wanted.most < 1:
        found = pc.and_(found, pc.less_equal(table["confidence"], wanted.most))
    if wanted.text:
        found = pc.and_(found, pc.match_substring(table["searched"], wanted.text.lower()))
    return pc.fill_null(found, False)


def _rows(table: pa.Table) -> tuple[Row, ...]:
    names = [field.name for field in fields(Row)]
    rows = table.select(names).to_pylist()
    return tuple(Row(**{**row, "type": row["type"] or ""}) for row in rows)


def _parts(values: Mapping[str, Any], rule: str) -> RewardParts:
    return RewardParts(
        values["base_reward"], values["diversity_penalty"], values["history_penalty"], values["reward"], rule
    )


def _counts(column: pa.ChunkedArray) -> dict[Any, int]:
    """How often each value is there, the commonest first."""
    counted = [(one["values"], one["counts"]) for one in column.value_counts().to_pylist()]
    return dict(sorted(((v, n) for v, n in counted if v is not None), key=lambda pair: -pair[1]))


def _agrees(answer: str | None, majority: str | None) -> bool:
    return answer is not None and majority is not None and match(answer, majority)
