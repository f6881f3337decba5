"""Opening suites by what settings and flags name, and drawing some items of a large suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, cast

from visplay.errors import EvaluationError
from visplay.interfaces.component import components, read_component
from visplay.interfaces.suite import SuiteSource
from visplay.types import Suite


def open_suites(
    sources: Iterable[SuiteSource | str | Mapping[str, Any]],
    seed: int,
    items_per_suite: int | None = None,
    *,
    sealed: bool = False,
) -> tuple[Suite, ...]:
    """The suites of all sources, in order, each name once.

    Args:
        sources: components, their settings, or their text: `easy_vqa`, `lab`, `lab/single/pastel`, a labelled file.
        seed: of generated items, and of the choice among too many.
        items_per_suite: the most items per suite; None for all (of the lab, which can generate any number: 100).
        sealed: the sealed half of each suite; every choice is made on the open half.
    Raises:
        EvaluationError: an unknown name, items that cannot be read, or no sealed half.
    """
    try:
        opened = [cast(SuiteSource, read_component("suite", source)) for source in sources]
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    suites = {suite.name: suite for source in opened for suite in _open(source, seed, items_per_suite, sealed)}
    return tuple(suites.values())


def _open(source: SuiteSource, seed: int, most: int | None, sealed: bool) -> list[Suite]:
    items = min((limit for limit in (source.items, most) if limit), default=None)
    if sealed:
        _check_sealed_half(source)
        opened = source.open(seed, items, sealed=True)
    else:
        opened = source.open(seed, items)  # a class of the user's own may take no more than that
    return [draw_items(suite, items, seed) for suite in opened]


def _check_sealed_half(source: SuiteSource) -> None:
    if not source.has_sealed_half:
        known = [name for name, each in components("suite").items() if getattr(each, "has_sealed_half", False)]
        raise EvaluationError(f"suite '{source.name}' has no sealed half; those that have one are {', '.join(known)}")


def draw_items(suite: Suite, most: int | None, seed: int) -> Suite:
    """At most `most` items of `suite` by a hash of `seed` and id: a suite and a part of it share what is drawn."""
    if most is None or len(suite.items) <= most:
        return suite
    hashes = {item.id: blake2b(f"{seed}/{item.id}".encode(), digest_size=8).digest() for item in suite.items}
    kept = set(sorted(hashes, key=lambda item_id: (hashes[item_id], item_id))[:most])
    return Suite(suite.name, tuple(item for item in suite.items if item.id in kept))
