"""Whether a run learned anything, why not, and why it failed: in words that terminal, summary, page and card share.

A run whose first silver set is empty, or whose Questioner hardly keeps to the agreed form, ends after the first
iteration: every further iteration would cost as much and teach as little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from visplay.errors import VisplayError, one_line
from visplay.runs.files import write_json

LEAST_VALID = 0.05  # share of the first silver set's questions that must have the agreed form
EXIT_LEARNED_NOTHING = 3  # exit status of `visplay evolve`
FAILURE_FILE = "failure.json"  # in the run directory: the error that ended the run, until it is resumed


def nothing_learned(lines: Sequence[Mapping[str, Any]], iterations: int) -> tuple[str, ...]:
    """Sentences that say why a run learned nothing, from its metrics; empty if it learns, or is not that far.

    Args:
        iterations: as the settings say.
    """
    first = next((line for line in lines if line["phase"] == "silver" and line["iteration"] == 1), None)
    if first is None or (first["kept"] and first["valid"] >= LEAST_VALID * first["asked"]):
        return ()
    return tuple(_reasons(first, iterations))


def _reasons(silver: Mapping[str, Any], iterations: int) -> Iterator[str]:
    asked, valid, kept, candidates = (silver[name] for name in ("asked", "valid", "kept", "candidates"))
    few = valid < LEAST_VALID * asked
    needed = f"; at least {LEAST_VALID:.0%} are needed".replace("%", " %") if few else ""
    share = f"{100 * valid / max(1, asked):.1f} %"
    yield f"In the agreed form: {valid} of {asked} questions of the first iteration ({share}){needed}."
    lost = {"no silver answer": silver["unlabelled"]}
    lost |= {f"gate {gate}": count for gate, count in silver["dropped"].items()}
    told = ", ".join(f"{name} {count}" for name, count in lost.items() if count)
    if candidates:
        yield f"Kept for the silver set: {kept} of {candidates} different questions{told and f'; dropped: {told}'}."
    if not kept:
        yield "The silver set is empty, so the Reasoner did not train."
    if iterations > 1:
        yield f"The run stopped after iteration 1 of {iterations}."
    if few:
        yield "The page of the run shows what the Questioner wrote; other prompts or a larger model may keep the form."
    else:
        yield "The page of the run says of every question why it was dropped; change silver.gates or silver.labeler."


@contextmanager
def noted_failure(run: Path) -> Iterator[None]:
    """Context manager of a run's work: writes down the error that ends it, and forgets the one before."""
    file = run / FAILURE_FILE
    file.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        # The disk may be full or gone; the error itself matters more than its note.
        with suppress(OSError, VisplayError):
            write_json(file, {"error": one_line(error), "kind": type(error).__name__})
        raise
