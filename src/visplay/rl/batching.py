"""Batches for training: one token tree per image, and micro-batches of trees.

The groups of an image share a tree, so image and prompts are computed once for all their completions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from visplay.errors import UnreadableImage
from visplay.models.image_cache import Pixels
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import Completion, ImageRef, Request


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A completion to learn from, with its advantage and the weight of each of its tokens in the loss."""

    request: Request
    completion: Completion
    advantage: float
    weight: float


@dataclass(frozen=True, slots=True)
class PackedTree:
    """Samples of one image and their tree."""

    tree: TokenTree
    pixels: Pixels
    samples: list[TrainingSample]  # in the order of the tree's paths
    starts: list[int]  # the place of each completion's first token in its path


def pack_trees(vlm: VLM, samples: Sequence[TrainingSample], limit: int) -> list[PackedTree]:
    """One tree per image, or several of at most `limit` tokens each; on the padded path one per completion.

    Images that can no longer be read have none.
    """
    by_image: dict[ImageRef, list[list[TrainingSample]]] = {}
    # The samples of a request are neighbours, and stay in one tree.
    for request, of_request in groupby(samples, key=lambda sample: sample.request):
        by_image.setdefault(request.image, []).append(list(of_request))
    found: list[PackedTree] = []
    for groups in by_image.values():
        with suppress(UnreadableImage):  # it vanished since its completions were sampled
            found += _pack_image(vlm, groups, limit)
    return found


def micro_batches(packed_trees: Sequence[PackedTree], limit: int) -> Iterator[list[PackedTree]]:
    """Batches of trees of similar size, each with at most `limit` tokens including padding, or with a single tree."""
    batch: list[PackedTree] = []
    for packed_tree in sorted(packed_trees, key=lambda packed: len(packed.tree), reverse=True):
        if batch and len(batch[0].tree) * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(packed_tree)
    if batch:
        yield batch


def _pack_image(vlm: VLM, groups: Sequence[list[TrainingSample]], limit: int) -> Iterator[PackedTree]:
    """Groups of one image, merged while their tree has at most `limit` tokens."""
    requests = [group[0].request for group in groups]
    prompts = {request.prompt: vlm.encode(request.image, request.prompt) for request in requests}

    def packed(samples: list[TrainingSample]) -> PackedTree:
        encoded = [prompts[sample.request.prompt] for sample in samples]
        paths = [(*e.token_ids, *s.completion.token_ids) for e, s in zip(encoded, samples, strict=True)]
        return PackedTree(TokenTree.build(paths), encoded[0].pixels, samples, [len(e.token_ids) for e in encoded])

    if vlm.padded_because:
        yield from (packed([sample]) for group in groups for sample in group)
        return
    tree = packed(groups[0])
    for group in groups[1:]:
        larger = packed([*tree.samples, *group])
        if len(larger.tree) > limit:
            yield tree
            larger = packed(group)
        tree = larger
    yield tree
