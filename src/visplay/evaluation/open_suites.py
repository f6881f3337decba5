"""Opening suites by what settings and flags name, and drawing some items of a large suite."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import cast

from visplay.errors import EvaluationError
from visplay.interfaces.component import read_component
from visplay.interfaces.suite import SuiteSource
from visplay.types import Suite


def open_suites(
    sources: Iterable[SuiteSource | str], seed: int, items_per_suite: int | None = None
) -> tuple[Suite, ...]:
    """The suites of all sources, in order, each name once.

    Args:
        sources: components, or their text: `easy_vqa`, `lab`, `lab/single/pastel`, a labelled file.
        seed: of generated items, and of the choice among too many.
        items_per_suite: the most items per suite; None for all (of the lab, which can generate any number: 100).
    Raises:
        EvaluationError: an unknown name, or items that cannot be read.
    """
    try:
        opened = [cast(SuiteSource, read_component("suite", source)) for source in sources]
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    suites = {suite.name: suite for source in opened for suite in source.open(seed, items_per_suite)}
    return tuple(draw_items(suite, items_per_suite, seed) for suite in suites.values())


def draw_items(suite: Suite, most: int | None, seed: int) -> Suite:
    """At most `most` items of `suite` by a hash of `seed` and id: a suite and a part of it share what is drawn."""
    if most is None or len(suite.items) <= most:
        return suite
    hashes = {item.id: blake2b(f"{seed}/{item.id}".encode(), digest_size=8).digest() for item in suite.items}
    kept = set(sorted(hashes, key=lambda item_id: (hashes[item_id], item_id))[:most])
    return Suite(suite.name, tuple(item for item in suite.items if item.id in kept))
