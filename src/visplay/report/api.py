"""What the page is told, read from a run by one thread: a mapping a request, ready for JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from visplay.config import load_settings
from visplay.report.gallery import Filter, Gallery, ImageList, Order
from visplay.report.health import Sign, overall, signs
from visplay.report.run_data import RunPage, RunView, as_json

CURVES = ("reward", "confidence", "valid", "kl", "entropy")  # those the page draws
LONGEST = 400  # characters of a question or an answer in a list; one in full is whole
MOST_ROWS = 200
MOST_OF_A_PICTURE = 24  # questions of an iteration about one image


class Reader:
    """A run's view, gallery and images; one for each thread.

    Raises:
        RunError: there is no run at `run`.
        ConfigError: its config.yaml cannot be read.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.view = RunView(run)
        self.gallery = Gallery(run)
        self.album = ImageList(load_settings(str(run / "config.yaml")))

    def version(self) -> str:
        """Changes whenever `overview` would."""
        return self.view.version()

    def look(self) -> tuple[RunPage, tuple[Sign, ...]]:
        """Where the run is now, and its signs of health."""
        page = self.view.read()
        texts = {panel.iteration: self.gallery.texts(panel.iteration) for panel in page.silver}
        return page, signs(page, texts)

    def overview(self) -> dict[str, Any]:
        """All but the questions: where the run is, curves, suites, silver sets, verdicts, signs, what to filter by."""
        page, found = self.look()
        curves = tuple(curve for curve in page.curves if curve.name in CURVES)
        return {
            "name": self.run.resolve().name,
            "page": as_json(replace(page, curves=curves)),
            "signs": as_json(found),
            "level": overall(found),
            "choices": as_json(self.gallery.choices()),
        }

    def find(self, wanted: Filter, order: Order, start: int, count: int) -> dict[str, Any]:
        """A page of the gallery; long texts are cut."""
        found = self.gallery.find(wanted, order, start, min(count, MOST_ROWS))
        rows = [cut(as_json(row)) for row in found.rows]
        return {"rows": rows, "start": found.start, "total": found.total}

    def item(self, question_id: str) -> dict[str, Any] | None:
        """One question in full; None if there is no such question."""
        shown = self.gallery.item(question_id)
        return None if shown is None else dict(as_json(shown))

    def story(self, image: str, most: int = MOST_OF_A_PICTURE) -> dict[str, Any]:
        """One image through the iterations, `most` questions of each at the most; long texts are cut."""
        story = self.gallery.story(image)
        iterations = [
            {
                "iteration": then.iteration,
                "rows": [cut(as_json(row)) for row in then.rows[:most]],
                "more": max(0, len(then.rows) - most),
            }
            for then in story.iterations
        ]
        return {"image": image, "iterations": iterations, "anchored": as_json(story.anchored)}

    def storied(self) -> list[str]:
        """Images that were asked about in more than one iteration."""
        return list(self.gallery.storied())


def cut(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a list whose long texts end after `LONGEST` characters; `more` says how many are left out."""
    texts = {key: row[key] for key in ("question", "answer") if row[key]}
    left_out = sum(max(0, len(text) - LONGEST) for text in texts.values())
    return {**row, **{key: text[:LONGEST] for key, text in texts.items()}, "more": left_out}
