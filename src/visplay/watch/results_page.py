"""results.md: the figures of a run as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.watch.health import Sign
from visplay.watch.view import RunPage


def results_markdown(page: RunPage, signs: Sequence[Sign] = ()) -> str:
    """Where the run is, its suites against the base, its silver sets and verdicts, and the signs of health."""
    raise NotImplementedError
