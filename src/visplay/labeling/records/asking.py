"""Records of images, asked of the Reasoner and read."""

from __future__ import annotations

import json
from collections.abc import Sequence

from visplay.data.augmentations import for_records
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.records.reading import Reading, read_record
from visplay.labeling.records.schema import RECORD
from visplay.types import Augmentation, ImageRef, Question

SCHEMA = json.dumps(RECORD.json_schema())
"""The JSON schema of a record, for engines with guided decoding."""


def ask_records(
    voter: Voter,
    about: Sequence[Question | ImageRef],
    n: int,
    augmentations: Sequence[Augmentation],
    tag: str = "record",
) -> dict[str, tuple[Reading, ...]]:
    """Up to `n` readings of each image, or of each question's image, by image id; see `Voter.records`."""
    written = voter.records(about, n, augmentations, tag, SCHEMA)
    return {
        image_id: tuple(read_record(record.text, record.complete, record.finished) for record in records)
        for image_id, records in written.items()
    }


def record_requests(n: int, augmentations: Sequence[Augmentation]) -> ExtraRequests:
    """What `ask_records` asks about an image."""
    versions = min(len(for_records(augmentations)), n)
    return ExtraRequests("records", versions, 1, -(-n // versions))
