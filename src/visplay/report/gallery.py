"""An index of all questions of a run with votes, reward and verdict: search, filters, order; as JSON values.

    gallery = Gallery(run)
    page = gallery.find(Query(iteration=2, kept=False, text="how many", order="confidence"))
    item = gallery.item(page["rows"][0]["id"])
    story = gallery.story(item["image"])

Values have the names of the run's records (`runs/schemas.py`); `type` is empty for a text in another form.
"""

from __future__ import annotations

import io
from functools import cached_property, lru_cache
from itertools import groupby, product
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from PIL import Image
from pydantic import BaseModel, Field

from visplay.answers import match, vote
from visplay.config import Settings, load_settings
from visplay.data.made_images import image_by_id
from visplay.errors import ImageError
from visplay.runs.files import read_json
from visplay.runs.schemas import ASKED, INVALID, REPEATED
from visplay.selfplay.schedule import phases
from visplay.types import ImageRef

Order = Literal["time", "-time", "confidence", "-confidence", "reward", "-reward", "text"]
Stamp = tuple[int, int]

ROW = (*ASKED.names[: ASKED.names.index("reason")], "reward")  # columns of a list; a question in full has all
LONGEST = 400  # characters of a question or an answer in a list; one in full is whole


class Query(BaseModel, frozen=True):
    """Filters, order and length of a list of questions; None and empty texts are no filters.

    Attributes:
        phase: "questioner", "silver", "reasoner" (answers that were trained on, a sample), or "accept" (questions about
            the images held out to judge by; iteration 0 asks as the base does).
        kept: rows of the phase "reasoner" are neither.
        gate: the reason of a rejection: a gate's name, "unlabelled" (no silver answer), "invalid" (another form) or
            "repeated" (asked before).
        least, most: confidence, both ends included.
        text: part of the question, of its silver answer or of a vote's text, in any case.
        order: "-time" begins with the latest.
    """

    iteration: int | None = Field(None, ge=0, lt=2**31)
    phase: str | None = None
    type: str | None = None
    kept: bool | None = None
    gate: str | None = None
    image: str | None = None
    least: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    most: float = Field(1.0, ge=0, le=1, allow_inf_nan=False)
    text: str = ""
    order: Order = "-time"
    start: int = Field(0, ge=0, lt=2**31)
    count: int = Field(50, ge=0, le=1000)

    def condition(self) -> pc.Expression:
        """The same as a condition on the columns of `Gallery`."""
        confidence = pc.field("confidence")
        found = (confidence >= self.least) & (confidence <= self.most)
        for name in ("iteration", "phase", "type", "kept", "gate", "image"):
            if (value := getattr(self, name)) not in (None, ""):
                found &= pc.field(name) == value
        return found & pc.match_substring(pc.field("searched"), self.text.lower()) if self.text else found


class Gallery:
    """An index of all questions of a run; each call also reads the files that are new."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "acceptance"
        self._records = (run / "asked", self._folder / "asked")
        self._rule = load_settings(str(run / "config.yaml")).questioner.reward.name
        self._stamps: list[Stamp | None] = []
        self._table = _indexed([])

    def choices(self) -> dict[str, Any]:
        """The values of the filters `iterations`, `phases`, `types` and `gates`, with the number of questions of each.

        Also the numbers `kept`, `lost` and `total`.
        """
        table = self._fresh()
        counts = {f"{name}s": _counts(table[name]) for name in ("iteration", "phase", "type", "gate")}
        verdicts = _counts(table["kept"])
        return counts | {"kept": verdicts.get(True, 0), "lost": verdicts.get(False, 0), "total": table.num_rows}

    def find(self, query: Query) -> dict[str, Any]:
        """Questions that match: `rows` from `start` on, of `total`."""
        found = self._sorted(query)
        rows = found.slice(query.start, query.count).to_pylist()
        return {"rows": [_cut(row) for row in rows], "start": query.start, "total": found.num_rows}

    def item(self, question_id: str) -> dict[str, Any] | None:
        """The whole record of a question; None if there is no such question.

        Further values: "majority", "majority_share" and "unboxed" come from the votes alone, while `answer` and
        `confidence` come from the labeler. "agrees" says which votes are in the majority; of answers that were trained
        on, which match the silver answer. "rule" names the reward.
        """
        table = self._fresh().select(ASKED.names)
        place = pc.index(table["id"], question_id).as_py()
        if place < 0:
            return None
        (found,) = table.slice(place, 1).to_pylist()
        votes = found["votes"] or []
        majority, share, unboxed = vote(votes)
        right = found["answer"] if found["rewards"] else majority
        agrees = [bool(answer and right and match(answer, right)) for answer in votes]
        found |= {"majority": majority, "majority_share": share, "unboxed": unboxed}
        return {**found, "agrees": agrees, "rule": self._rule}

    def story(self, image: str, most: int = 24) -> dict[str, Any]:
        """The questions about an image, iteration by iteration.

        Returns:
            "iterations", each with its first `most` "rows" in the order of asking, and the number of "more" rows.
            "anchored": the questions that acceptance froze, with the answers of each iteration (0: the base).
        """
        iterations = []
        rows = self._found((pc.field("image") == image) & (pc.field("phase") != "reasoner")).to_pylist()
        for iteration, group in groupby(rows, key=lambda row: row["iteration"]):
            then = [_cut(row) for row in group]
            iterations.append({"iteration": iteration, "rows": then[:most], "more": max(0, len(then) - most)})
        return {"image": image, "iterations": iterations, "anchored": self._anchored(image)}

    def storied(self, count: int = 50) -> list[str]:
        """Ids of images with questions in at least two iterations; images with most iterations are first."""
        grouped = self._fresh().group_by("image").aggregate([("iteration", "count_distinct")])
        order = [("iteration_count_distinct", "descending"), ("image", "ascending")]
        found = grouped.filter(pc.field("iteration_count_distinct") > 1).sort_by(order)["image"]
        return list(found[:count].to_pylist())

    def sample(self, count: int) -> list[str]:
        """Ids of at most `count` questions over all iterations, kept and rejected, from low to high confidence."""
        groups = [
            self._sorted(Query(iteration=t, phase=phase, kept=kept, order="confidence"))["id"].to_pylist()
            for t in sorted(self.choices()["iterations"])
            for phase, kept in (*product(("questioner", "silver"), (True, False)), ("reasoner", None))
        ]
        filled = [ids for ids in groups if ids]
        wanted = [min(len(ids), count // len(filled)) for ids in filled]
        return [ids[i * len(ids) // n] for ids, n in zip(filled, wanted, strict=True) for i in range(n)]

    def texts(self, iteration: int) -> list[str]:
        """The Questioner's candidates of an iteration's synthesis, for `health.signs`."""
        candidates = ~pc.field("gate").isin([INVALID, REPEATED]) & ~pc.field("from_task")
        found = self._found(Query(iteration=iteration, phase="silver").condition() & candidates)
        return list(found["question"].to_pylist())

    def _sorted(self, query: Query) -> pa.Table:
        found = self._found(query.condition())
        key, falls = query.order.removeprefix("-"), query.order.startswith("-")
        if key == "time":
            return found[::-1] if falls else found
        return found.sort_by([("question" if key == "text" else key, "descending" if falls else "ascending")])

    def _found(self, condition: pc.Expression) -> pa.Table:
        """Rows in the order of asking."""
        return ds.dataset(self._fresh()).to_table(columns=list(ROW), filter=condition)

    def _fresh(self) -> pa.Table:
        """The index, read anew where a file came or changed: every write into a folder changes the folder's time."""
        stamps = [stamp(folder) for folder in self._records]
        if stamps != self._stamps:
            files = (path for folder in self._records for path in folder.glob("*.parquet"))
            self._table = _indexed([record for path in files if (record := _read_record(path, stamp(path)))])
            self._stamps = stamps
        return self._table

    def _anchored(self, image: str) -> list[dict[str, Any]]:
        """What is answered to the image's frozen questions; nothing where acceptance keeps none."""
        try:
            anchor = pq.read_table(self._folder / "anchor.parquet", filters=pc.field("image") == image)
            answers = {int(file.stem.split("-")[1]): read_json(file) for file in self._folder.glob("iteration-*.json")}
        except (OSError, ValueError):
            return []
        told = []
        for row in anchor.to_pylist():
            given = [{"iteration": t, **answers[t][row["id"]]} for t in sorted(answers) if row["id"] in answers[t]]
            told.append({"question": row["question"], "held_out_answers": given})
        return told


class ImageList:
    """The images of a run with these settings; the source is opened for the first image."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def thumbnail(self, image: str, side: int = 256) -> bytes | None:
        """WebP bytes, both sides at most `side` pixels (small images are enlarged by whole factors, unsmoothed).

        None if the source has no such id, or if the source or the file no longer exists.
        """
        try:
            shown = image_by_id(image, self._by_id).load()
        except (KeyError, OSError, ImageError):
            return None
        factor = side // max(shown.size)
        if factor > 1:
            shown = shown.resize((shown.width * factor, shown.height * factor), Image.Resampling.NEAREST)
        shown.thumbnail((side, side))
        written = io.BytesIO()
        shown.save(written, "WEBP", lossless=factor > 1, quality=82)
        return written.getvalue()

    @cached_property
    def _by_id(self) -> dict[str, ImageRef]:
        return {image.id: image for image in self._settings.images.open(self._settings.seed).images}


def stamp(path: Path) -> Stamp | None:
    """Changes with every write; None where nothing is."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=10_000)
def _read_record(path: Path, _: Stamp | None) -> pa.Table | None:
    """A file's questions, with ids that are unique in the run; None if the file is missing or damaged."""
    try:
        table = pq.read_table(path)
    except (OSError, ValueError):
        return None
    # Acceptance asks about its images under the same ids in every iteration.
    numbered = pc.binary_join_element_wise(pc.cast(table["iteration"], pa.string()), table["id"], "/")
    ids = pc.if_else(pc.equal(table["phase"], "accept"), numbered, table["id"])
    types = pc.fill_null(table["type"], "")
    return table.drop_columns(["id", "type"]).append_column("id", ids).append_column("type", types)


def _indexed(records: list[pa.Table]) -> pa.Table:
    """All questions in the order in which they were asked, with a column of everything that a text is looked for in."""
    # A run that earlier code began lacks columns.
    empty = ASKED.empty_table()
    table = pa.concat_tables([empty, *records], promote_options="default").select(ASKED.names)
    order = pc.index_in(table["phase"], pa.array([phase.name for phase in phases()]))
    keys = [(name, "ascending") for name in ("iteration", "order", "step")]
    table = table.append_column("order", order).sort_by(keys)
    texts = pc.binary_join(table["reasoning"], "\n")
    replaced = {"null_handling": "replace", "null_replacement": ""}
    searched = pc.binary_join_element_wise(table["question"], table["answer"], texts, "\n", **replaced)
    # Earlier code wrote no source.
    from_task = pc.not_equal(pc.fill_null(table["source"], "questioner"), "questioner")
    return (
        table.append_column("searched", pc.utf8_lower(searched)).append_column("from_task", from_task).combine_chunks()
    )


def _counts(column: pa.ChunkedArray) -> dict[Any, int]:
    """How often each value is there, the commonest first."""
    counted = sorted(column.value_counts().to_pylist(), key=lambda pair: -pair["counts"])
    return {pair["values"]: pair["counts"] for pair in counted if pair["values"] not in (None, "")}


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a list. Long texts end after `LONGEST` characters; `more` is the number of characters left out."""
    texts = {name: row[name] for name in ("question", "answer") if row[name]}
    left_out = sum(max(0, len(text) - LONGEST) for text in texts.values())
    return {**row, **{name: text[:LONGEST] for name, text in texts.items()}, "more": left_out}
