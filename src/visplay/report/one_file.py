"""A run as one file to mail: the live page with its data inside, and `results.md` beside it.

Nothing is loaded from elsewhere. Of the gallery it holds a fixed sample: the same questions for the same run, fewer of
them where each takes more room.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from visplay.errors import RunError
from visplay.report.api import Reader
from visplay.report.assets import one_file
from visplay.report.gallery import Filter
from visplay.report.results_page import results_markdown
from visplay.runs.files import write_whole

MOST_BYTES = 5 * 2**20
QUESTIONS, PICTURES = 320, 16  # of the sample at its largest; halved until the file is small enough
OF_A_PICTURE = 6  # questions of an iteration about one image
LONGEST = 4000  # characters of each text
_SIDE = 192  # pixels of an image


def write_report(run: Path, to: Path, most_bytes: int = MOST_BYTES) -> Path:
    """Write the page of `run` into the file `to`, and `results.md` into its folder.

    Returns:
        where results.md is.
    Raises:
        RunError: there is no run, `to` cannot be written, or not even a page without questions is small
            enough.
        ConfigError: the run's config.yaml cannot be read.
    """
    if to.is_dir():
        raise RunError(f"{to} is a directory; name a file such as {to / 'report.html'}")
    reader = Reader(run)
    page, results = report_page(reader, most_bytes), to.with_name("results.md")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        write_whole(to, page)
        write_whole(results, results_markdown(*reader.look()))
    except OSError as error:
        raise RunError(f"cannot write {to}: {(error.strerror or str(error)).lower()}") from None
    return results


def report_page(reader: Reader, most_bytes: int = MOST_BYTES) -> str:
    """The page with its data, the sample as large as `most_bytes` lets it be.

    Raises:
        RunError: even without a question it is larger.
    """
    overview, addresses = reader.overview(), dict[str, str]()
    questions, images = QUESTIONS, PICTURES
    while True:
        page = one_file({"run": overview, **_sample(reader, questions, images, addresses)})
        if (size := len(page.encode())) <= most_bytes:
            return page
        if not questions:
            raise RunError(f"the report takes {size / 2**20:.1f} MiB without any question; allow more with --most-mib")
        questions, images = questions // 2, images // 2


def _sample(reader: Reader, questions: int, images: int, addresses: dict[str, str]) -> dict[str, Any]:
    """Questions in full, some images through the iterations with theirs, and all those images, read once."""
    stories = {image: reader.story(image, OF_A_PICTURE) for image in reader.storied()[:images]}
    told = [row["id"] for story in stories.values() for then in story["iterations"] for row in then["rows"]]
    shown = [reader.item(one) for one in dict.fromkeys([*_spread(reader, questions), *told])]
    items = [_shortened(item) for item in shown if item is not None]
    shown_images = dict.fromkeys([*stories, *(item["row"]["image"] for item in items)])
    for image in shown_images:
        if image not in addresses:
            addresses[image] = _address(reader.album.thumbnail(image, _SIDE))
    return {"items": items, "stories": stories, "images": {image: addresses[image] for image in shown_images}}


def _spread(reader: Reader, questions: int) -> Iterator[str]:
    """Ids over all iterations, kept and dropped, from the least confident to the most."""
    parts = [
        Filter(iteration=iteration, phase=phase, kept=kept)
        for iteration in reader.gallery.choices().iterations
        for phase in ("questioner", "silver")
        for kept in (True, False)
    ]
    totals = [reader.find(part, "confidence", 0, 1)["total"] for part in parts]
    filled = sum(total > 0 for total in totals)
    for part, total in zip(parts, totals, strict=True):
        wanted = min(total, questions // filled if filled else 0)
        for place in range(wanted):
            yield from (row["id"] for row in reader.find(part, "confidence", place * total // wanted, 1)["rows"])


def _shortened(value: Any) -> Any:
    """The same with every text cut at `LONGEST` characters, and a word about what is left out."""
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]} … ({len(value) - LONGEST} more characters)"
    return value


def _address(png: bytes | None) -> str:
    """An image as the address that holds it, as JPEG where that is smaller; empty for none."""
    if png is None:
        return ""
    packed = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(packed, "JPEG", quality=82)
    content, kind = min((png, "png"), (packed.getvalue(), "jpeg"), key=lambda pair: len(pair[0]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
