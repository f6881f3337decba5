"""What a judge said, on disk by content: the same question, reference and answer are never judged twice.

A file an entry, named by the hash of all that a reply depends on: the model's name, the wording, the three texts. Any
number of processes may share a folder: an entry is whole or not there, and two that write the same one write the same.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Case:
    """All that a judge's reply depends on; `prompt` is the wording's version."""

    judge: str
    prompt: str
    question: str
    choices: tuple[str, ...]
    reference: str
    answer: str

    @property
    def key(self) -> str:
        """The hash of its content."""
        return blake2b(json.dumps(asdict(self)).encode(), digest_size=20).hexdigest()


class Cache:
    """Replies by case, below a folder.

    Raises:
        OSError: the folder cannot be made, or written to.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # better now than after the first reply
            pass
        self.folder = folder

    def get(self, case: Case) -> str | None:
        """The reply; None where there is none, or its file is not as it was written."""
        try:
            entry = json.loads(self._file(case).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(entry, dict) and isinstance(entry.get("reply"), str)
        return str(entry["reply"]) if whole and entry == _entry(case, entry["reply"]) else None

    def put(self, case: Case, reply: str) -> None:
        """Keep a reply."""
        file = self._file(case)
        file.parent.mkdir(exist_ok=True)
        text = json.dumps(_entry(case, reply), indent=1) + "\n"
        # A name of its own, as another process may be writing the same entry.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, prefix=".", delete=False) as draft:
            draft.write(text)
        os.replace(draft.name, file)

    def _file(self, case: Case) -> Path:
        return self.folder / case.key[:2] / f"{case.key}.json"


def _entry(case: Case, reply: str) -> dict[str, object]:
    return {**asdict(case), "choices": list(case.choices), "reply": reply}
