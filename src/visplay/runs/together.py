"""Files that belong together, such as a report and its answers: on the disk there are never some of two evaluations."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from visplay.errors import RunError
from visplay.runs.files import WRITING


def refuse_existing(paths: Sequence[Path], force: bool) -> None:
    """Raise a RunError that names the first path where a file is, unless `force` is set."""
    found = next((path for path in paths if os.path.lexists(path)), None)
    if found is not None and not force:
        raise RunError(f"{found} exists already; name another file, or replace it and what belongs to it with --force")


@contextmanager
def written_together(paths: Sequence[Path], old: Sequence[Path] = ()) -> Iterator[list[Path]]:
    """Context manager: a draft for each of `paths`; when the block ends, they replace `paths` and all of `old`.

    The last path comes last, so where it is, all are. An error or an interruption before the end leaves the earlier
    files as they were.
    """
    drafts = [path.with_name(f".{path.name}{WRITING}") for path in paths]
    try:
        yield drafts
        for path in (*reversed(paths), *old):
            path.unlink(missing_ok=True)
        for draft, path in zip(drafts, paths, strict=True):
            os.replace(draft, path)
    except OSError as error:
        raise RunError(f"cannot write {paths[-1]}: {(error.strerror or str(error)).lower()}") from None
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
