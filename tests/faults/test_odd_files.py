"""Odd images and damaged labelled files: read in a process of its own, within bounds of time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults import odd_images

pytestmark = pytest.mark.faults

SECONDS = 120
BASE = 400 * 2**20  # bytes of a process that has imported everything and decoded nothing large
ROOT = Path(__file__).parents[2]

IMAGES = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from visplay.data.sources.folder import folder
from visplay.errors import ImageError
from visplay.images.budget import decoding_budget
from tests.faults.peak import peak_bytes
catalogue = folder(sys.argv[1])
found = {"ids": [image.id for image in catalogue.images], "skipped": {s.path: s.reason for s in catalogue.skipped}}
def load(image):
    try:
        shown = image.load()
    except ImageError as error:
        return f"{image.id}: {error}"
    return "" if shown.mode == "RGB" and min(shown.size) else f"{image.id}: {shown}"
with ThreadPoolExecutor(4) as pool:
    found["later"] = [fault for fault in pool.map(load, catalogue.images) if fault]
found |= {"peak": peak_bytes(), "budget": decoding_budget().total}
print(json.dumps(found))
"""

LABELLED = """
import json, signal, sys, time, traceback
from pathlib import Path
from visplay.errors import EvaluationError
from visplay.evaluation.suites.file import read_labelled
from tests.faults import odd_labelled
from tests.faults.peak import peak_bytes
folder = Path(sys.argv[1])
png = odd_labelled.images(folder)
files = [*odd_labelled.odd(folder, png), *odd_labelled.damaged(folder, png)]
outcomes, faults, slowest = {"read": 0, "refused": 0}, [], 0.0
for file in files:
    begun = time.monotonic()
    signal.alarm(20)  # ends the process, and says in which file
    print(file.name.encode("unicode_escape").decode(), file=sys.stderr)
    try:
        found = read_labelled(file)
        outcomes["read"] += 1
        for reason in found.skipped:
            if not reason.isprintable() or len(reason) > 700:
                faults.append(f"{file}: {reason!r}")
        for image in {part.id: part for item in found.suite.items for part in item.image.parts}.values():
            image.load()
    except EvaluationError as error:
        outcomes["refused"] += 1
        if "\\n" in str(error) or len(str(error)) > 3000:
            faults.append(f"{file}: {error!r}")
    except Exception:
        faults.append(f"{file}: {traceback.format_exc()}")
    slowest = max(slowest, time.monotonic() - begun)
signal.alarm(0)
print(json.dumps(outcomes | {"files": len(files), "faults": faults, "slowest": slowest, "peak": peak_bytes()}))
"""


def run(program: str, folder: Path) -> tuple[dict[str, Any], str, float]:
    """What the program prints, what it says on stderr, and the seconds it took."""
    begun = time.monotonic()
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=SECONDS, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr, time.monotonic() - begun


def test_429_odd_images_are_read_or_named_within_bounds(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    odd_images.make(pictures)
    assert odd_images.count(pictures) == odd_images.COUNT
    found, said, seconds = run(IMAGES, pictures)
    ids, skipped = found["ids"], found["skipped"]
    assert len(ids) == len(set(ids)) and not set(ids) & skipped.keys()
    assert len(ids) + len(skipped) == odd_images.COUNT + 1  # the link to a folder of the system is named as well
    assert "kinds/proc" in skipped
    assert found["later"] == []
    assert set(odd_images.LARGE) <= set(ids)
    assert not {name for name in ids if name.startswith(("bomb", "postscript", "metafile", "compound", "document"))}
    assert all(reason.isprintable() for reason in skipped.values())
    assert skipped["kinds/pipe.jpg"] == skipped["kinds/zero.jpg"] == "not a regular file"
    assert said == ""  # neither libtiff nor Pillow says anything besides
    # A single image may need more than the budget, and is then decoded alone.
    held = 4 * 3 * odd_images.SIDE**2  # each thread keeps its last image until it has the next
    assert found["peak"] <= BASE + held + max(found["budget"], 16 * odd_images.SIDE**2)
    print(f"{len(ids)} read, {len(skipped)} named, {seconds:.1f} s, {found['peak'] / 2**20:.0f} MiB")


def test_420_damaged_labelled_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    found, _, seconds = run(LABELLED, tmp_path)
    assert found["faults"] == []
    assert found["read"] + found["refused"] == found["files"] >= 420 + 100
    assert found["read"] > 100 and found["refused"] > 100
    # A damaged page of a Parquet file may claim up to 2 GiB, which Arrow allocates before it decompresses the page.
    assert found["slowest"] < 10 and found["peak"] < BASE + 2**31
    print(f"{found}, {seconds:.1f} s")
