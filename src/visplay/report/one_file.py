"""A run as one file to mail: the live page with its data inside, and `results.md` beside it.

Nothing is loaded from elsewhere. Of the gallery it holds a fixed sample: the same questions for the same run, fewer of
them where each takes more room.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from visplay.errors import RunError
from visplay.report.results_page import results_markdown
from visplay.report.run_data import RunView
from visplay.runs.files import write_whole
from visplay.runs.open_run import legible
from visplay.runs.together import written_together

MOST_BYTES = 5 * 2**20
QUESTIONS, PICTURES = 320, 16  # of the sample at its largest; halved until the file is small enough
OF_A_PICTURE = 6  # questions of an iteration about one image

_SIDE = 192  # pixels of an image
_LOADED = re.compile(r'<link rel="stylesheet" href="([^"]+)">|<script src="([^"]+)"></script>')
_ICON = re.compile(r'\s*<link rel="icon"[^>]*>')


def write_report(run: Path, to: Path, most_bytes: int = MOST_BYTES) -> Path:
    """Write the page of `run` into the file `to`, and `results.md` into its folder; returns the path of results.md.

    Raises:
        RunError: there is no run, `to` cannot be written, or not even a page without questions is small enough.
        ConfigError: the run's config.yaml cannot be read.
    """
    if to.is_dir():
        raise RunError(f"{to} is a directory; name a file such as {to / 'report.html'}")
    results = to.with_name("results.md")
    with legible(run):
        view = RunView(run)
        overview = view.overview()
        page = report_page(view, overview, most_bytes)
        figures = results_markdown(overview["page"], overview["signs"])
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with written_together([results, to]) as (results_draft, draft):
            write_whole(results_draft, figures)
            write_whole(draft, page)
    except OSError as error:
        raise RunError(f"cannot write {to}: {(error.strerror or str(error)).lower()}") from None
    return results


def report_page(view: RunView, overview: dict[str, Any], most_bytes: int = MOST_BYTES) -> str:
    """The page with the largest sample that fits into `most_bytes`; RunError if no sample fits."""
    questions, pictures, addresses = QUESTIONS, PICTURES, dict[str, str]()
    while True:
        page = _one_file({"run": overview, **_sample(view, questions, pictures, addresses)})
        if (size := len(page.encode())) <= most_bytes:
            return page
        if not questions:
            raise RunError(f"the report takes {size / 2**20:.1f} MiB without any question; allow more with --most-mib")
        questions, pictures = questions // 2, pictures // 2


def _sample(view: RunView, questions: int, pictures: int, addresses: dict[str, str]) -> dict[str, Any]:
    """Questions in full, some images through the iterations with theirs, and all those images, read once."""
    gallery = view.gallery
    stories = {image: gallery.story(image, OF_A_PICTURE) for image in gallery.storied()[:pictures]}
    told = [row["id"] for story in stories.values() for then in story["iterations"] for row in then["rows"]]
    shown = (gallery.item(one) for one in dict.fromkeys([*gallery.sample(questions), *told]))
    items = [item for item in shown if item]
    images = dict.fromkeys([*stories, *(item["image"] for item in items)])
    for image in images:
        if image not in addresses:
            content = view.images.thumbnail(image, _SIDE)
            addresses[image] = f"data:image/webp;base64,{base64.b64encode(content).decode()}" if content else ""
    return {"items": items, "stories": stories, "images": {image: addresses[image] for image in images}}


def _one_file(data: dict[str, Any]) -> str:
    """index.html with scripts, styles and `data`. It loads no other file, and runs only its own scripts."""
    folder = resources.files("visplay.report") / "page"
    hashes: dict[str, list[str]] = {"style": [], "script": []}

    def inside(found: re.Match[str]) -> str:
        tag, name = ("style", found[1]) if found[1] else ("script", found[2])
        content = (folder / name).read_text(encoding="utf-8")
        if f"</{tag}" in content:
            raise ValueError(f"{name} holds </{tag} and cannot be put into a page")
        hashes[tag].append(f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'")
        return f"<{tag}>{content}</{tag}>"

    index = _ICON.sub("", (folder / "index.html").read_text(encoding="utf-8"))
    index = _LOADED.sub(inside, index)
    policy = (
        f"default-src 'none'; script-src {' '.join(hashes['script'])}; style-src {' '.join(hashes['style'])}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # A script of this type is data that no browser runs; a "<" in it could end it, so there is none.
    block = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    for place, added in (
        ('<meta charset="utf-8">', f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        ('<div id="page"></div>', f'<script type="application/json" id="report">{block}</script>'),
    ):
        index = index.replace(place, f"{place}\n    {added}", 1)
    return index
