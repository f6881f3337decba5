"""Files that belong together: all of one evaluation, or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from visplay.errors import RunError
from visplay.runs.together import refuse_existing, written_together


def content(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_all_replace_all(tmp_path: Path) -> None:
    answers, base, report = (tmp_path / name for name in ("answers", "base", "report"))
    for path in (answers, base, report):
        path.write_text("old")
    with written_together([answers, report], [base]) as drafts:
        for draft in drafts:
            draft.write_text("new")
        assert set(content(tmp_path).values()) == {"old", "new"}
    assert content(tmp_path) == {"answers": "new", "report": "new"}


@pytest.mark.parametrize("moment", range(6))
def test_a_stop_at_any_change_leaves_no_mixture(tmp_path: Path, moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, base, report = (tmp_path / name for name in ("answers", "base", "report"))
    for path in (answers, base, report):
        path.write_text("old")
    changes = iter(range(100))

    def stopping(change: object) -> object:
        def changed(*given: object, **named: object) -> object:
            if next(changes) == moment:
                raise KeyboardInterrupt
            return change(*given, **named)  # type: ignore[operator]

        return changed

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        with written_together([answers, report], [base]) as drafts:
            for draft in drafts:
                draft.write_text("new")
            patched.setattr(os, "replace", stopping(os.replace))
            patched.setattr(Path, "unlink", stopping(Path.unlink))
        if moment >= 5:  # three removals, two renames
            raise KeyboardInterrupt
    left = {name: text for name, text in content(tmp_path).items() if not name.startswith(".")}
    assert len(set(left.values())) <= 1
    assert "report" not in left or len(left) == 3 or set(left.values()) == {"new"}


def test_what_is_there_is_named(tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("x")
    with pytest.raises(RunError, match=r"there\.json exists already.*--force"):
        refuse_existing([tmp_path / "new.json", there], force=False)
    refuse_existing([there], force=True)
    with pytest.raises(RunError, match="cannot write"), written_together([tmp_path / "no" / "where"]) as (draft,):
        draft.write_text("x")
