"""The order in which engines process requests."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.types import Request


def grouped_by_image(requests: Sequence[Request]) -> list[Request]:
    """The requests, sorted by image, images in the order of their first request.

    Each image is encoded once, and its keys and values are still in an engine's prefix cache for its next request.

    Raises:
        ValueError: two requests have the same id.
    """
    if len({request.id for request in requests}) < len(requests):
        raise ValueError("two requests to generate have the same id; ids must be unique")
    order = {image: place for place, image in enumerate(dict.fromkeys(r.image for r in requests))}
    return sorted(requests, key=lambda request: order[request.image])
